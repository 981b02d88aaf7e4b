"""Where a training's progress goes."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowzoo.runfolder import RunRecord


@dataclass(frozen=True)
class Progress:
    """Where training stands.

    Attributes:
        stage: Which levels train, and in which phase where there are several.
        step: Steps taken in all stages.
        used: Share of the stage's budget that is used up; of ``work``, the share that is done.
        seconds: Spent so far, in all stages.
        seconds_left: How long the stage, or ``work``, will still take at this pace.
        loss: Loss of the last step in bits/dim, regularisers included; a distance under flow matching; None
            where nothing trains.
        images_per_second: Speed over the last steps.
        bits_per_dim: Bits/dim of the last validation, None before the first.
        steps: Steps of the whole training, of all stages; None under a budget in seconds.
        validated_at: Step of the last validation, None before the first.
        stages: How many stages the training has.
        work: What is done between steps, such as ``validation``; empty after a step or a validation.
    """

    stage: str
    step: int
    used: float
    seconds: float
    seconds_left: float
    loss: float | None
    images_per_second: float
    bits_per_dim: float | None
    steps: int | None = None
    validated_at: int | None = None
    stages: int = 1
    work: str = ""


class Reporter:
    """Receives how far a training is. This one shows nothing; override what is of interest."""

    def inspected(self, done: int, total: int) -> None:
        """Receive how many images have been read to look for damaged ones, before anything is trained."""

    def begins(self, record: RunRecord) -> None:
        """Receive the run's record when training begins; ``data_report`` says what is in the data."""

    def update(self, progress: Progress) -> None:
        """Receive the progress after every step and every validation, and now and then in between."""


class WorkReport:
    """Reports how far work between two steps is, such as a validation.

    Args:
        reporter: Gets the progress.
        work: What is done.
        before: Where training stood when the work began.
    """

    def __init__(self, reporter: Reporter, work: str, before: Progress) -> None:
        self._reporter = reporter
        self._before = replace(before, work=work, loss=None)
        self._began = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Report that so many images of so many are done."""
        elapsed = time.monotonic() - self._began
        self._reporter.update(
            replace(
                self._before,
                used=min(1.0, done / total),
                seconds=self._before.seconds + elapsed,
                seconds_left=elapsed * max(0.0, total / max(done, 1) - 1.0),
                images_per_second=done / max(elapsed, 1e-9),
            )
        )
