"""How long work looks on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from flowzoo.cli.data_report import said_of
from flowzoo.training.reporter import Progress as TrainingProgress
from flowzoo.training.reporter import Reporter

if TYPE_CHECKING:
    from flowzoo.runfolder import RunRecord


_SECONDS_A_LINE = 10.0
"""Between lines that say how far reading the images is."""


class TrainingBar(Reporter):
    """A bar with bits/dim, speed and time left; without a terminal, a line for each validation."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            disable=not sys.stderr.isatty(),
        )
        self._task: TaskID | None = None
        self._shown: tuple[str, float | None] = ("", None)
        self._speed: float | None = None
        self._inspection: TaskID | None = None
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def inspected(self, done: int, total: int) -> None:
        """Show how many images have been read to look for damage; without a terminal, if it takes long."""
        if self._bar.disable:
            if time.monotonic() - self._last_line > _SECONDS_A_LINE:
                self._last_line = time.monotonic()
                self.say([f"reading all images once: {done:,} of {total:,}"])
            return
        if self._inspection is None:
            self._inspection = self._bar.add_task("reading all images once", total=total, figures="")
        self._bar.update(self._inspection, completed=done)
        if done == total:
            self._bar.remove_task(self._inspection)

    def begins(self, record: RunRecord) -> None:
        """Say what is in the data."""
        self.say(said_of(record))

    def say(self, lines: Sequence[str]) -> None:
        """Print lines above the bar."""
        for line in lines:
            self._console.print(line, soft_wrap=True, markup=False)

    def update(self, progress: TrainingProgress) -> None:
        """Show where training stands."""
        latest = progress.images_per_second
        self._speed = latest if self._speed is None else 0.9 * self._speed + 0.1 * latest
        if self._bar.disable:
            self._print_line(progress)
            return
        if self._task is None:
            self._task = self._bar.add_task(progress.stage, total=1.0, figures="")
        bits, loss = _figure(progress.bits_per_dim), _figure(progress.loss)
        self._bar.update(
            self._task,
            description=progress.stage,
            completed=progress.used,
            figures=(
                f"{bits} bits/dim  loss {loss}  {self._speed:,.0f} images/s  "
                f"step {progress.step}  {clock(progress.seconds_left)} left"
            ),
        )

    def _print_line(self, progress: TrainingProgress) -> None:
        state = (progress.stage, progress.bits_per_dim)
        if progress.bits_per_dim is not None and state != self._shown:
            self._shown = state
            self._console.print(
                f"{progress.stage}: step {progress.step:>7}  {clock(progress.seconds):>8}  "
                f"{progress.bits_per_dim:.3f} bits/dim in validation"
            )


def _figure(value: float | None) -> str:
    return "  -  " if value is None else f"{value:.3f}"


def clock(seconds: float) -> str:
    """Return a duration as ``m:ss`` or ``h:mm:ss``.

    >>> clock(3725)
    '1:02:05'
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar of things done, of how many, on a terminal; yields the function to tell it with."""
    with counting_each() as count:
        yield count(what)


@contextmanager
def counting_each() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Show a bar for each kind of thing that is counted, once there is one.

    Yields a function that takes the name of the things and returns what :func:`counting` yields for them.
    """
    bar = Progress(
        TextColumn("{task.completed:.0f}/{task.total:.0f} {task.description}"),
        BarColumn(bar_width=None),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )

    def count(what: str) -> Callable[[int, int], None]:
        task: TaskID | None = None

        def tell(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = bar.add_task(what, total=total)
            bar.update(task, completed=done)

        return tell

    with bar:
        yield count
