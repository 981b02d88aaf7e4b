"""What can be broken in a sound component of any kind, and how it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flowzoo.component import Check, Component, Kind
from flowzoo.testing import Trial

Make = Callable[[Trial], Any]
Break = Callable[[Any], Any]
"""From a sound component to a broken one; it may change what it gets."""

Breaks = Mapping[str, tuple[str, Break]]
"""By what is wrong: the check that must find it, and how it is done."""


@dataclass(frozen=True)
class Example:
    """A sound component of a kind, and the ways in which it can be broken."""

    kind: Kind
    make: Make
    breaks: Breaks
    exact: bool = True
    check: Check = Check(shape=(2, 2, 2))  # noqa: RUF009 - frozen

    def trial(self, break_it: Break = lambda built: built) -> Trial:
        """Return the trial of the sound component, or of the broken one."""
        dataset = self.kind == "dataset"
        component = Component(
            kind=self.kind,
            name="digits" if dataset else "toy",
            build="flowzoo.data.digits:build_digits" if dataset else "tests.toys:Wave",
            summary="A toy.",
            exact=self.exact,
            check=self.check,
        )
        return Trial(component, lambda trial: break_it(self.make(trial)))


def after(method: str, change: Callable[..., Any]) -> Break:
    """Return a break that changes a method's result: ``change(result, *arguments)``."""

    def break_it(built: Any) -> Any:
        original = getattr(built, method)
        setattr(built, method, lambda *arguments: change(original(*arguments), *arguments))
        return built

    return break_it


def instead(method: str, other: Callable[..., Any]) -> Break:
    """Return a break that calls ``other(component, *arguments)`` instead of a method."""

    def break_it(built: Any) -> Any:
        setattr(built, method, lambda *arguments: other(built, *arguments))
        return built

    return break_it


def in_part(part: Callable[[Any], Any], break_it: Break) -> Break:
    """Return a break of a part of the component."""

    def break_part(built: Any) -> Any:
        break_it(part(built))
        return built

    return break_part


def common_breaks(method: str, tensor: Callable[[Any, Callable[[Tensor], Tensor]], Any]) -> Breaks:
    """Return what can be broken in anything that maps images.

    Args:
        method: That maps them.
        tensor: Applies a function to a tensor in the method's result.
    """

    def secret(built: Any) -> Any:
        value = torch.rand(()).item()
        return after(method, lambda result, *_: tensor(result, lambda y: y + value))(built)

    def counter(built: Any) -> Any:
        calls: list[None] = []

        def drift(result: Any, *_: Any) -> Any:
            calls.append(None)
            return tensor(result, lambda y: y * (1 + 1e-6 * len(calls)))

        return after(method, drift)(built)

    def dead(built: Any) -> Any:
        built.dead = nn.Parameter(torch.ones(2))
        return built

    def drawing(result: Any, *_: Any) -> Any:
        torch.rand(1)
        return result

    def leak(result: Any, *_: Any) -> Any:
        return tensor(result, lambda y: y - y.mean(0, keepdim=True))

    return {
        "an image depends on the others": ("images-apart", after(method, leak)),
        "a parameter is not used": ("gradients", dead),
        "a result is always in float32": (
            "dtype-and-device",
            after(method, lambda result, *_: tensor(result, lambda y: y.float())),
        ),
        "a random number is not saved": ("state", secret),
        "results depend on the calls before": ("repeatable", counter),
        "the global generator is used": ("global-random-state", after(method, drawing)),
    }


def bijection_breaks() -> Breaks:
    """Return what can be broken in a transform, a bijector or a model's pixel transform."""

    def initialised_again(built: Any) -> Any:
        offset: list[float] = [0.0]

        def shift(result: Any, *arguments: Any) -> Any:
            if arguments[-1].mode == "initialise":
                offset[0] = arguments[0].mean().item()
            return result[0] + offset[0], result[1]

        return after("forward", shift)(built)

    def log_det(change: Callable[[Tensor], Tensor]) -> Break:
        return after("forward", lambda result, *_: (result[0], change(result[1])))

    def first(result: tuple[Tensor, Tensor], change: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        return change(result[0]), result[1]

    return {
        **common_breaks("forward", first),
        "log_det has the wrong sign": ("log-det", log_det(torch.neg)),
        "log_det misses a constant": ("log-det", log_det(lambda value: value + 1e-3)),
        "log_det is one number for all images": ("shapes", log_det(torch.mean)),
        "log_det is always in float32": ("dtype-and-device", log_det(lambda value: value.float())),
        "there is no inverse": ("round-trip", instead("inverse", lambda _, y, *others: 2 * y)),
        "the inverse is a little off": ("round-trip", after("inverse", lambda x, *_: x + 1e-6)),
        "state is taken from data again": ("first-pass", initialised_again),
    }


def declared(attribute: str, value: bool | int) -> Break:
    def declare(built: nn.Module) -> nn.Module:
        setattr(built, attribute, value)
        return built

    return declare
