"""The progress of a training: a bar on a terminal, and otherwise a line from time to time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from flowzoo.cli.data_report import said_of
from flowzoo.cli.progress import Pace, animated, clock
from flowzoo.training.reporter import Progress as TrainingProgress
from flowzoo.training.reporter import Reporter

if TYPE_CHECKING:
    from flowzoo.runfolder import RunRecord

_WIDE = 120
"""Columns of a terminal on which every figure stands beside a bar that is long enough to see."""

_VALIDATION_LINE = 2.0
"""Seconds between the lines about two validations, at least."""


class TrainingBar(Reporter):
    """Shows steps, loss, speed, the last validation and the time left.

    On a terminal they stand beside a bar, and what is done between steps, such as a validation, has a bar of
    its own below. Elsewhere they are a line for each validation, and a line now and then between these.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[figures]}", markup=False),
            console=self._console,
            disable=not animated(),
        )
        self._steps: TaskID | None = None
        self._between: tuple[str, TaskID] | None = None
        self._speed: float | None = None
        self._validated: tuple[str, int | None] = ("", None)
        self._pace = Pace()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._bar.stop()

    def begins(self, record: RunRecord) -> None:
        """Show the data report."""
        self.say(said_of(record))

    def inspected(self, done: int, total: int) -> None:
        """Show how many images have been read to look for damage."""
        self._show_between("reading all images once", done / total, f"{done:,} of {total:,} images")
        if done == total:
            self._end_between()

    def say(self, lines: Sequence[str]) -> None:
        """Print lines above the bar."""
        for line in lines:
            self._console.print(line)

    def note(self, line: str) -> None:
        """Print a line."""
        self.say([line])

    def update(self, progress: TrainingProgress) -> None:
        """Show the progress of training."""
        if progress.work:
            self._show_between(progress.work, progress.used, _left(progress))
            return
        self._end_between()
        latest = progress.images_per_second
        self._speed = latest if self._speed is None else 0.9 * self._speed + 0.1 * latest
        if self._bar.disable:
            self._print(progress)
            return
        if self._steps is None:
            self._steps = self._bar.add_task(progress.stage, total=1.0, figures="")
        self._bar.update(
            self._steps,
            description=progress.stage,
            completed=progress.used,
            figures="  ".join(self._figures(progress)),
        )

    def _print(self, progress: TrainingProgress) -> None:
        validated = (progress.stage, progress.validated_at)
        is_new = progress.validated_at is not None and validated != self._validated
        if progress.used >= 1 and not is_new:
            return  # the last validation follows
        soon = 0.0 if progress.used >= 1 else _VALIDATION_LINE
        if self._pace.due(soon if is_new else None):
            self._validated = validated
            figures = ", ".join(self._figures(progress))
            self._console.print(f"{progress.stage}: {figures} ({progress.used:.0%})")

    def _figures(self, progress: TrainingProgress) -> list[str]:
        """Return the figures; on a narrow terminal, those that leave room for the bar."""
        narrow = not self._bar.disable and self._console.width < _WIDE
        steps = "" if progress.steps is None else f" of {progress.steps:,}"
        found = [f"step {progress.step:,}{steps}"]
        if progress.loss is not None:
            found.append(f"loss {progress.loss:.3f}")
        if progress.adversarial_loss is not None and not narrow:
            found.append(f"adversarial {progress.adversarial_loss:.3f}")
            found.append(f"discriminator {progress.discriminator_loss:.3f}")
        if progress.bits_per_dim is not None:
            details = "" if narrow else f" bits/dim (step {progress.validated_at:,})"
            found.append(f"validation {progress.bits_per_dim:.3f}{details}")
        if self._speed and not narrow:
            found.append(f"{self._speed:,.0f} images/s")
        return [*found, _left(progress)]

    def _show_between(self, work: str, share: float, figures: str) -> None:
        """Show what is done between steps."""
        if self._bar.disable:
            if share < 1 and self._pace.due():
                self._console.print(f"{work}: {figures} ({share:.0%})")
            return
        if self._between is None or self._between[0] != work:
            self._end_between()
            self._between = work, self._bar.add_task(work, total=1.0, figures="")
        self._bar.update(self._between[1], completed=share, figures=figures)

    def _end_between(self) -> None:
        if self._between is not None:
            self._bar.remove_task(self._between[1])
            self._between = None


def _left(progress: TrainingProgress) -> str:
    where = " in this stage" if progress.stages > 1 and not progress.work else ""
    return f"{clock(progress.seconds_left)} left{where}"
