"""Finds the part of a model in which numbers stop being finite."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from flowzoo.flow import Flow
from flowzoo.origin import origin_of


def first_not_finite(flow: Flow, compute: Callable[[], object]) -> str:
    """Return where numbers stop being finite, such as ``the output of 'levels.1.joint', in level 1``.

    Weights are looked at first, then what the parts compute, in their order, then gradients.

    Args:
        flow: The model, with the gradients of the step.
        compute: Computes the loss of the step again.

    Returns:
        The place in words; empty if everything is finite now.
    """
    for name, parameter in flow.named_parameters():
        if _is_not_finite(parameter):
            return _place(flow, name, f"the parameter '{name}'")
    name = _first_output(flow, compute)
    if name:
        return _place(flow, name, f"the output of '{name}'")
    # The gradient is computed from the end to the beginning.
    for name, parameter in reversed(list(flow.named_parameters())):
        if _is_not_finite(parameter.grad):
            return _place(flow, name, f"the gradient of '{name}'")
    return ""


def _first_output(flow: Flow, compute: Callable[[], object]) -> str:
    """Return the name of the first module whose output is not finite; empty if all are."""
    names = {module: name for name, module in flow.named_modules()}
    found: list[str] = []

    def look(module: nn.Module, given: Any, output: Any) -> None:
        if not found and names.get(module) and any(_is_not_finite(each) for each in _tensors(output)):
            found.append(names[module])

    hook = register_module_forward_hook(look)
    try:
        with suppress(Exception):  # numbers that are not finite may break anything
            compute()
    finally:
        hook.remove()
    return found[0] if found else ""


def _tensors(output: Any) -> Iterator[Any]:
    if isinstance(output, tuple | list):
        for each in output:
            yield from _tensors(each)
    else:
        yield output


def _is_not_finite(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and not bool(value.isfinite().all())


def _place(flow: Flow, name: str, what: str) -> str:
    """Return a place with its level and the component that it belongs to."""
    level = re.match(r"levels\.(\d+)\.", name)
    parents = [name.rsplit(".", cut)[0] for cut in range(name.count(".") + 1)]
    modules = dict(flow.named_modules())
    origins = [origin_of(modules[each]) for each in parents if each in modules]
    component = next((each for each in origins if each), "")
    return what + (f", in level {level[1]}" if level else "") + (f", {component}" if component else "")
