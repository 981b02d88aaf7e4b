"""The interface through which training reports how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowzoo.runfolder import RunRecord


@dataclass(frozen=True)
class Progress:
    """Where training stands.

    Attributes:
        stage: Which levels train, and in which phase where there are several.
        step: Steps taken.
        used: Share of the stage's budget that is used up.
        seconds: Seconds spent so far, in all.
        seconds_left: Seconds that the stage will still take at this pace.
        loss: Loss of the last step, bits/dim, regularisers included; a distance under flow matching; None
            where nothing trains.
        images_per_second: Speed over the last steps.
        bits_per_dim: Figure of the last validation, None before the first.
    """

    stage: str
    step: int
    used: float
    seconds: float
    seconds_left: float
    loss: float | None
    images_per_second: float
    bits_per_dim: float | None


class Reporter:
    """Receives the progress of a training. This one ignores it; override what is of interest."""

    def inspected(self, done: int, total: int) -> None:
        """Receive how many images have been read to look for damaged ones, before anything is trained."""

    def begins(self, record: RunRecord) -> None:
        """Receive the run's record when training begins; ``data_report`` says what is in the data."""

    def update(self, progress: Progress) -> None:
        """Receive the progress after a step."""
