"""Checks that a component uses its context."""

from __future__ import annotations

import torch

from flowzoo.testing.draws import Draws
from flowzoo.testing.result import require
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial


def uses_its_context(kind: type[Subject], trial: Trial) -> None:
    """A different context changes the output, at the declared resolution and at half of it."""
    if trial.check.context_shape is None:
        return
    channels, height, width = trial.check.context_shape
    for size in {(height, width), (max(1, height // 2), max(1, width // 2))}:
        subject = kind.ready(trial.with_check(context_shape=(channels, *size)))
        x = subject.images()
        found = subject.evaluate(x, subject.context(), Draws())
        other = subject.evaluate(x, subject.context(seed=7), Draws())
        first = next(iter(found))
        ignored = torch.equal(found[first], other[first])
        require(not ignored, f"'{first}' does not depend on a context of {size[0]}x{size[1]}")
