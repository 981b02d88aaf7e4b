"""What an audit has found so far, and how far it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from flowzoo.evaluation.density.outcome import DensityAudit

Progress = Callable[[float], object]
"""Called with the fraction of the audit that is done."""


class Record:
    """The outcome of an audit while it is made.

    Args:
        seconds: Budget of the Jacobian.
        progress: See :data:`Progress`.
    """

    def __init__(self, seconds: float, progress: Progress) -> None:
        self.outcome = DensityAudit(objections=(), budget=seconds, seconds=0.0)
        self._progress = progress
        self._done = 0.0

    def advance(self, share: float) -> None:
        """Show which share of the audit is done; a second try at something shows no less than the first."""
        self._done = max(self._done, share)
        self._progress(self._done)

    def advance_judge(self, share: float) -> None:
        """Show which share of the Jacobian is done."""
        self.advance(0.1 + 0.8 * share)

    def add_objection(self, objection: str) -> None:
        """Add a reason why the figure must not be ranked."""
        self.note(objections=(*self.outcome.objections, objection))

    def add_remark(self, remark: str) -> None:
        """Add a remark, once."""
        if remark not in self.outcome.remarks:
            self.note(remarks=(*self.outcome.remarks, remark))

    def note(self, **found: object) -> None:
        """Set fields of the outcome; a number that is not finite is None there."""
        plain = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in found.items()
        }
        self.outcome = replace(self.outcome, **plain)  # type: ignore[arg-type]  # fields by name


def largest(errors: Tensor) -> float:
    """Return the largest absolute value; infinity where there is a NaN."""
    worst = float(errors.abs().max())
    return worst if worst == worst else float("inf")
