"""The progress of long work: bars on a terminal, and otherwise a line from time to time."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

Count = Callable[[int, int], None]
"""Called with the number of things that are done, and with the number of all."""

FIRST_LINE = 10.0
"""Seconds until the first line, and between the lines that follow it soon."""

LAST_LINE = 600.0
"""Longest time between two lines, in seconds."""

_GROWTH = 0.25
"""Lines become rarer: this fraction of the time so far lies between two of them."""


class Pace:
    """Decides when the next line is due: soon at first, and ever more rarely in long work.

    An hour of work gets about twenty lines.
    """

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()

    def due(self, after: float | None = None) -> bool:
        """Return whether a line is due, and count it as printed if so.

        Args:
            after: Seconds since the last line that are enough; by default as long as the pace says.
        """
        now = time.monotonic()
        if after is None:
            after = min(max(FIRST_LINE, _GROWTH * (now - self._began)), LAST_LINE)
        if now - self._last < after:
            return False
        self._last = now
        return True


def animated() -> bool:
    """Return whether standard error is a terminal on which bars can be drawn."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def clock(seconds: float) -> str:
    """Return a duration as ``m:ss`` or ``h:mm:ss``.

    >>> clock(3725)
    '1:02:05'
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def counting(what: str) -> Iterator[Count]:
    """Show the number of things that are done, and of all; yields the function to call with both numbers."""
    with counting_each() as count:
        yield count(what)


@contextmanager
def adding(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show progress as :func:`counting` does; yields the function to call with how many more are done."""
    done = 0

    def add(more: int) -> None:
        nonlocal done
        done += more
        count(done, total)

    with counting(what) as count:
        yield add


@contextmanager
def counting_each() -> Iterator[Callable[[str], Count]]:
    """Show the progress of several pieces of work, from the time when each begins.

    Yields a function that takes the name of what is counted and returns what :func:`counting` yields.
    """
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    bar = Progress(
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} {task.description}", markup=False),
        BarColumn(bar_width=None),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not animated(),
    )
    pace = Pace()

    def count(what: str) -> Count:
        task: TaskID | None = None
        began = time.monotonic()

        def show(done: int, total: int) -> None:
            nonlocal task, began
            if not bar.disable:
                task = bar.add_task(what, total=total) if task is None else task
                bar.update(task, completed=done, total=total)
                return
            if task is None:
                task, began = TaskID(0), time.monotonic()
            if done < total and pace.due():
                console.print(_line(what, done, total, time.monotonic() - began))

        return show

    with bar:
        yield count


def _line(what: str, done: int, total: int, seconds: float) -> str:
    """Return a line about counted work.

    >>> _line("images", 400, 1000, 20.0)
    '400 of 1,000 images (40%), about 0:30 left'
    """
    left = f", about {clock(seconds * (total / done - 1))} left" if 0 < done < total and seconds > 1 else ""
    share = f" ({done / total:.0%})" if total else ""
    return f"{done:,} of {total:,} {what}{share}{left}"
