"""Finds the part of a model that states a wrong log-determinant, and what the error looks like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.discrepancy import describe_discrepancy
from flowzoo.evaluation.density.jacobian import choose_derivative, log_abs_det
from flowzoo.evaluation.density.maps import Part, Settings, bijector_map
from flowzoo.evaluation.density.stopwatch import Stopwatch
from flowzoo.flow import Flow

IMAGES = 2
"""Number of images on which a part is judged: enough to distinguish a factor from a constant."""

NOTICEABLE = 1e-3
"""A log-determinant is wrong if its error, relative to one plus its size, is larger than this."""


@dataclass(frozen=True)
class Fault:
    """A part whose log-determinant is wrong.

    Attributes:
        where: Its place in the model and its class.
        looks: What the error looks like; empty if it looks like nothing simple.
    """

    where: str
    looks: str


def locate_fault(
    flow: Flow, parts: Iterator[Part], settings: Settings, exact: bool, seconds: float
) -> Fault | None:
    """Return the innermost part that is wrong, the first if there are several; None if none is found in time.

    Args:
        flow: The model, in float64.
        parts: Parts of the model.
        settings: Settings of the passes.
        exact: Whether exact log-determinants are requested from the parts.
        seconds: When to give up.
    """
    watch = Stopwatch()
    names = {module: name for name, module in flow.named_modules()}
    for part in parts:
        fault = _judge(part, part.name)
        if fault is not None:
            for inner in _inner(part, settings, exact):
                if watch.seconds() > seconds:
                    break
                deeper = _judge(inner, f"{part.name}, {_below(names[inner.module], names[part.module])}")
                if deeper is not None:
                    return deeper
            return fault
        if watch.seconds() > seconds:
            return None
    return None


def _judge(part: Part, name: str) -> Fault | None:
    way = choose_derivative(part).way if part.start.shape[1] else "forward mode"
    images = range(min(IMAGES, len(part.start)))
    judged = [log_abs_det(part, image, way) - float(part.noise[image]) for image in images]
    stated = [float(part.stated[image]) for image in images]
    if all(abs(a - b) <= NOTICEABLE * (1.0 + abs(b)) for a, b in zip(stated, judged, strict=True)):
        return None
    looks = describe_discrepancy(stated, judged, part.start.shape[1])
    return Fault(f"{name} ({type(part.module).__name__})", looks)


def _inner(part: Part, settings: Settings, exact: bool) -> Iterator[Part]:
    """Yield the bijectors inside a part as they were used, the innermost first."""
    calls: list[_Call] = []

    def listen(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        context = args[1] if len(args) > 1 else kwargs.get("context")
        calls.append(_Call(module, args[0] if args else kwargs["x"], context))

    inside = [
        module
        for module in part.module.modules()
        if module is not part.module and issubclass(type(module), ConditionalBijector)
    ]
    handles = [module.register_forward_pre_hook(listen, with_kwargs=True) for module in inside]
    images = min(IMAGES, len(part.start))
    passes: list[list[_Call]] = []
    try:
        for image in range(images):
            calls.clear()
            part(part.start[image : image + 1], image)
            passes.append(list(calls))
    finally:
        for handle in handles:
            handle.remove()
    depth = {module: name.count(".") for name, module in part.module.named_modules()}
    for same in sorted(zip(*passes, strict=True), key=lambda each: -depth[each[0].module]):
        module = same[0].module
        x = torch.cat([each.x for each in same])
        context = None if same[0].context is None else torch.cat([each.context for each in same])
        _, stated = module(x, context, settings.call(range(images), exact=exact))
        start = x.flatten(1)
        zeros = stated.new_zeros(len(stated))
        apply = bijector_map(module, x, context, settings)
        yield Part("", module, start, 0.1 + 0.1 * start.abs(), apply, stated, zeros, zeros)


class _Call(NamedTuple):
    module: nn.Module
    x: Tensor
    context: Any


def _below(name: str, above: str) -> str:
    return name.removeprefix(f"{above}.")
