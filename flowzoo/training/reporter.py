"""Who is told of the training's progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """Where training stands.

    Attributes:
        stage: Which levels train, and in which phase where there are several.
        step: Steps taken.
        used: Share of the stage's budget that is used up.
        seconds: Spent so far, in all.
        seconds_left: That the stage will still take at this pace.
        loss: Of the last step, bits/dim, regularisers included; a distance under flow matching; None where
            nothing trains.
        images_per_second: Over the last steps.
        bits_per_dim: Of the last validation, None before the first.
    """

    stage: str
    step: int
    used: float
    seconds: float
    seconds_left: float
    loss: float | None
    images_per_second: float
    bits_per_dim: float | None


class Reporter(Protocol):
    """Gets the progress after every step."""

    def update(self, progress: Progress) -> None: ...


class SilentReporter:
    """Tells nobody."""

    def update(self, progress: Progress) -> None:
        """Do nothing."""
