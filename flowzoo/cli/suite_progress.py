"""Shows the progress of a suite on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from flowzoo.cli.progress import Pace, animated, clock

if TYPE_CHECKING:
    from flowzoo.bench.cell import Cell
    from flowzoo.bench.result import Result


class SuiteProgress:
    """A bar for the suite and one for each cell at work; above them a line for each cell that has ended.

    Without a terminal there are only lines: one for each cell that has ended, and one now and then for what
    is being done.

    Args:
        name: Name of the suite.
        cells: Number of its cells; 0 if it is not known.
        said: Returns what is said of a cell that has ended.
    """

    def __init__(self, name: str, cells: int, said: Callable[[Result], str] | None = None) -> None:
        self._name = name
        self._cells = cells
        self._said = said or _said
        self._done = 0
        self._found = 0
        self._began = time.monotonic()
        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            transient=True,
            disable=not animated(),
        )
        self._pace = Pace()
        self._suite: TaskID | None = None
        self._tasks: dict[str, tuple[TaskID, float]] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        self._suite = self._bars.add_task(self._name, total=self._cells, figures="planning")
        return self

    def __exit__(self, *raised: object) -> None:
        self._bars.stop()

    def planned(self, done: int, total: int) -> None:
        """Show how many cells are planned."""
        self._show(f"planned {done} of {total}")

    def skipped(self, cell: Cell, result: Result) -> None:
        """Count a cell that has a result already."""
        self._keep(cell, result, "kept from before")

    def outdated(self, cell: Cell, result: Result, changed: str) -> None:
        """Count a cell that has a result already, and say what has changed since it was made."""
        self._keep(cell, result, f"kept from before; made with {changed}")

    def opening(self, engine: str) -> None:
        """Show which engine is being started."""
        if engine != "local":
            self._show(f"starting the engine {engine}")

    def restarted(self, cell: Cell, reason: str) -> None:
        """Add a line for a cell that is started again."""
        task, _ = self._tasks[cell.title]
        self._bars.update(task, completed=0, figures="starting again")
        self._bars.console.print(f"{cell.title}: {reason}")

    def started(self, cell: Cell) -> None:
        """Add a bar for a cell."""
        task = self._bars.add_task(f"  {cell.title}", total=1.0, figures="starting")
        self._tasks[cell.title] = task, time.monotonic()
        self._show_count()

    def progressed(self, cell: Cell, stage: str, done: float, bits_per_dim: float | None) -> None:
        """Show what a cell is doing."""
        task, _ = self._tasks[cell.title]
        bits = "" if bits_per_dim is None else f", {bits_per_dim:.3f} bits/dim"
        self._bars.update(task, completed=done, figures=f"{stage}{bits}")
        if self._bars.disable and self._pace.due():
            at = f"{self._done} of {self._cells} cells done"
            self._bars.console.print(f"{at}; {cell.title}: {stage} ({done:.0%}){bits}")

    def ended(self, cell: Cell, result: Result) -> None:
        """Replace a cell's bar by a line."""
        task, began = self._tasks.pop(cell.title)
        self._bars.remove_task(task)
        self._done += 1
        self._line(cell, result, clock(time.monotonic() - began))
        self._show_count()

    def _keep(self, cell: Cell, result: Result, remark: str) -> None:
        self._done += 1
        self._found += 1
        self._line(cell, result, remark)

    def _line(self, cell: Cell, result: Result, remark: str) -> None:
        width = len(str(self._cells))
        self._bars.console.print(
            f"[{self._done:>{width}}/{self._cells}] {cell.title}: {self._said(result)} ({remark})"
        )

    def _show_count(self) -> None:
        ended = self._done - self._found
        elapsed = time.monotonic() - self._began
        left = "" if not ended else f", about {clock(elapsed / ended * (self._cells - self._done))} left"
        self._show(f"{self._done} of {self._cells} cells, {clock(elapsed)}{left}")

    def _show(self, figures: str) -> None:
        if self._suite is not None:
            self._bars.update(self._suite, completed=self._done, figures=figures)


def _said(result: Result) -> str:
    if result.failure is not None:
        return f"failed in {result.failure.stage}: {result.failure.reason}"
    bits = result.metrics.get("bits-per-dim")
    if bits is None or bits.value is None:
        return "finished"
    error = "" if bits.error is None else f" ± {bits.error:.3f}"
    return f"{bits.value:.3f}{error} bits/dim{'' if bits.valid else ', not a valid figure'}"
