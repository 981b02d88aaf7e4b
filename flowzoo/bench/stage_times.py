"""How long a cell at work has spent on what."""

from __future__ import annotations

import time
from collections import defaultdict


class StageTimes:
    """Counts the seconds of every stage of a cell, from now on.

    Attributes:
        stage: What the cell is doing.
    """

    def __init__(self) -> None:
        self.stage = "starting"
        self._since = time.monotonic()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def enter(self, stage: str) -> None:
        """Note that a stage begins or goes on."""
        now = time.monotonic()
        self._seconds[_kind(self.stage)] += now - self._since
        self.stage, self._since = stage, now

    def in_words(self) -> str:
        """Return the seconds of all stages until now; those that took no time are left out."""
        self.enter(self.stage)
        present = _kind(self.stage)
        return "; ".join(
            f"{stage} {seconds:.0f} s"
            for stage, seconds in self._seconds.items()
            if seconds >= 0.5 or stage == present
        )


def _kind(stage: str) -> str:
    """Return what the seconds of a stage are counted under: an audit has its own, a part of training not.

    >>> _kind("training, all levels"), _kind("measuring bits-per-dim, audit")
    ('training', 'measuring bits-per-dim, audit')
    """
    return stage if stage.startswith("measuring ") else stage.partition(",")[0]
