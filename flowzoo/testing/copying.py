"""Checks of what a module holds: it can be copied and sent elsewhere, and does not grow."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
from collections.abc import Callable

import torch
from torch import Tensor, nn

from flowzoo.testing.draws import Draws
from flowzoo.testing.result import CheckFailed, require, require_equal
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial

_CALLS = 3
_SMALL = 16
"""Bytes by which a pickle may grow in a few calls: counters become longer numbers."""


def can_be_copied(kind: type[Subject], trial: Trial) -> None:
    """After use, the module can be copied and pickled, and the copy computes the same.

    Weight averages copy modules, and other processes get them pickled. Locks, open files, local functions
    and tensors that hold on to a graph for gradients cannot go along.
    """
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    expected = subject.evaluate(x, context, Draws())
    _train(subject, 0)
    ways: dict[str, Callable[[nn.Module], nn.Module]] = {
        "copied by copy.deepcopy": copy.deepcopy,
        "sent to another process by pickle": lambda module: pickle.loads(pickle.dumps(module)),
    }
    original = subject.module
    for what, way in ways.items():
        try:
            subject.module = way(original)
        except Exception as error:  # whatever it is, it stands in the way
            raise CheckFailed(
                f"cannot be {what} after a call: {type(error).__name__}: {error}; keep no lock, open file, "
                "local function or tensor with a graph on the module"
            ) from error
        require_equal(subject.evaluate(x, context, Draws()), expected, f"the module, {what}")


def does_not_grow(kind: type[Subject], trial: Trial) -> None:
    """Neither the module nor the number of tensors alive grows from call to call."""
    subject = kind.ready(trial)
    _use(subject)
    gc.freeze()  # what is there already is not looked at
    try:
        tensors, sizes = [], []
        for _ in range(3):
            _use(subject)
            gc.collect()
            tensors.append(sum(issubclass(type(each), Tensor) for each in gc.get_objects()))
            sizes.append(_pickled_size(subject))
    finally:
        gc.unfreeze()
    require(
        not tensors[0] < tensors[1] < tensors[2],
        f"after {_CALLS}, {2 * _CALLS} and {3 * _CALLS} more calls {tensors} more tensors are alive; keep none",
    )
    grown = [later - earlier for earlier, later in itertools.pairwise(sizes)]
    require(min(grown) <= _SMALL, f"the module grows with every call, by {min(grown)} bytes in {_CALLS}")


def _use(subject: Subject) -> None:
    for place in range(_CALLS):
        subject.evaluate(subject.images(seed=place), subject.context(seed=place), Draws())
        _train(subject, place)


def _train(subject: Subject, place: int) -> None:
    x, context = subject.images(seed=place).requires_grad_(), subject.context(seed=place)
    values = subject.objectives(x, context, Draws(mode="train"))
    torch.autograd.grad(list(values.values()), [x], allow_unused=True)


def _pickled_size(subject: Subject) -> int:
    try:
        return len(pickle.dumps(subject.module))
    except Exception:  # another check says that it cannot be pickled
        return 0
