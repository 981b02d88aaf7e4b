"""Checks of what a module holds: it can be copied and sent to other processes, and does not grow."""

from __future__ import annotations

import copy
import gc
import io
import pickle
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from flowzoo.testing.draws import Draws
from flowzoo.testing.result import CheckFailed, require, require_equal
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial

_CALLS = 3
"""Number of calls between two counts."""


def can_be_copied(kind: type[Subject], trial: Trial) -> None:
    """After use, the module can be copied and pickled, and the copy computes the same.

    Weight averages copy modules, and other processes get them pickled. Locks, open files, local functions
    and tensors that hold on to a graph for gradients cannot go along. Modules with torch's own
    parametrisations are copied alone: torch does not pickle them.
    """
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    expected = subject.evaluate(x, context, Draws())
    _train(subject, 0)
    ways: dict[str, Callable[[nn.Module], nn.Module]] = {
        "copied by copy.deepcopy": copy.deepcopy,
        "sent to another process by pickle": _pickled_and_back,
    }
    original = subject.module
    if any(is_parametrized(module) for module in original.modules()):
        del ways["sent to another process by pickle"]
    for what, way in ways.items():
        try:
            subject.module = way(original)
        except Exception as error:  # any error prevents the copy
            raise CheckFailed(
                f"cannot be {what} after a call: {type(error).__name__}: {error}; keep no lock, open file, "
                "local function or tensor with a graph on the module"
            ) from error
        require_equal(subject.evaluate(x, context, Draws()), expected, f"the module, {what}")


class _Pickler(pickle.Pickler):
    """A pickler that accepts classes which a function defines, as builders do to import torch late.

    Pickle finds a class by its name, and theirs cannot be imported; a process that forks has them all the
    same. What such a class holds is checked as usual.
    """

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.aside: list[type] = []

    def persistent_id(self, found: Any) -> int | None:
        if not (isinstance(found, type) and "<locals>" in found.__qualname__):
            return None
        self.aside.append(found)
        return len(self.aside) - 1


def _pickled_and_back(module: nn.Module) -> nn.Module:
    file = io.BytesIO()
    pickler = _Pickler(file)
    pickler.dump(module)
    file.seek(0)
    unpickler = pickle.Unpickler(file)
    unpickler.persistent_load = pickler.aside.__getitem__  # type: ignore[method-assign]  # pickle's hook
    copied: nn.Module = unpickler.load()
    return copied


def does_not_grow(kind: type[Subject], trial: Trial) -> None:
    """Neither the content of modules nor the number of tensors in memory grows from call to call."""
    subject = kind.ready(trial)
    _use(subject)
    gc.freeze()  # tensors that exist already do not count
    try:
        tensors, held = [], []
        for _ in range(3):
            _use(subject)
            gc.collect()
            tensors.append(sum(issubclass(type(each), Tensor) for each in gc.get_objects()))
            held.append(sum(_count(vars(module)) for module in subject.module.modules()))
    finally:
        gc.unfreeze()
    found = {"tensors alive": tensors, "values kept on the module": held}
    for what, counts in found.items():
        grows = counts[0] < counts[1] < counts[2]
        require(not grows, f"{what} after every {_CALLS} calls: {counts}; keep nothing of a call")


def _count(value: Any) -> int:
    """Return how many values there are in nested containers."""
    if isinstance(value, Mapping):
        return sum(_count(each) for each in value.values())
    if isinstance(value, list | tuple | set | frozenset | deque):
        return sum(_count(each) for each in value)
    return 1


def _use(subject: Subject) -> None:
    for place in range(_CALLS):
        subject.evaluate(subject.images(seed=place), subject.context(seed=place), Draws())
        _train(subject, place)


def _train(subject: Subject, place: int) -> None:
    x, context = subject.images(seed=place), subject.context(seed=place)
    inputs = [x.requires_grad_()] if x.is_floating_point() else list(subject.module.parameters())
    values = subject.objectives(x, context, Draws(mode="train"))
    if inputs:
        torch.autograd.grad(list(values.values()), inputs, allow_unused=True)
