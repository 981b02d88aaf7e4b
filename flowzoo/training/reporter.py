"""The progress of a training, and the interface that receives it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowzoo.runfolder import RunRecord


@dataclass(frozen=True)
class Progress:
    """The progress of a training.

    Attributes:
        stage: The levels that train, and their phase if there are several.
        step: Number of steps in all stages.
        used: Fraction of the stage's budget that is used up; with ``work``, the fraction that is done.
        seconds: Time spent so far in all stages, in seconds.
        seconds_left: Estimated time until the end of the stage, or of ``work``, in seconds.
        loss: Loss of the last step in bits/dim, with regularisers; in flow matching a squared distance; None
            if nothing trains.
        images_per_second: Speed over the last steps.
        bits_per_dim: Bits/dim of the last validation, None before the first.
        steps: Number of steps of the whole training, in all stages; None for a budget in seconds.
        validated_at: Step of the last validation, None before the first.
        stages: Number of stages of the training.
        work: What is done between steps, such as ``validation``; empty after a step or a validation.
        adversarial_loss: The adversarial loss of the last step; None without an adversarial term.
        discriminator_loss: The discriminators' loss there.
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
    adversarial_loss: float | None = None
    discriminator_loss: float | None = None


class Reporter:
    """Receives the progress of a training. This one does nothing; override the methods that you need."""

    def inspected(self, done: int, total: int) -> None:
        """Receive the number of images that were checked for damage, before training begins."""

    def begins(self, record: RunRecord) -> None:
        """Receive the run's record when training begins; ``data_report`` says what is in the data."""

    def note(self, line: str) -> None:
        """Receive a line about the training, such as how long compiling took."""

    def update(self, progress: Progress) -> None:
        """Receive the progress after every step and every validation, and sometimes in between."""


class WorkReport:
    """Reports the progress of work between two steps, such as a validation.

    Args:
        reporter: Receives the progress.
        work: Name of the work.
        before: The progress of the training when the work began.
    """

    def __init__(self, reporter: Reporter, work: str, before: Progress) -> None:
        self._reporter = reporter
        self._before = replace(before, work=work, loss=None)
        self._began = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Report the number of images that are done, and of all."""
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
