"""The interface for the progress of a suite."""

from __future__ import annotations

from typing import Protocol

from flowzoo.bench.cell import Cell
from flowzoo.bench.result import Result


class Watcher(Protocol):
    """Receives the progress of a suite: a cell was planned, has started, works, or has ended.

    For a kept result, ``skipped`` is called; or ``outdated``, with the changes in words, if versions or code
    have changed since. ``opening`` is called before an engine starts, and ``restarted`` where a cell is
    started again on another worker, with the reason.
    """

    def planned(self, done: int, total: int) -> None: ...

    def skipped(self, cell: Cell, result: Result) -> None: ...

    def outdated(self, cell: Cell, result: Result, changed: str) -> None: ...

    def opening(self, engine: str) -> None: ...

    def started(self, cell: Cell) -> None: ...

    def restarted(self, cell: Cell, reason: str) -> None: ...

    def progressed(self, cell: Cell, stage: str, done: float, bits_per_dim: float | None) -> None: ...

    def ended(self, cell: Cell, result: Result) -> None: ...


class SilentWatcher:
    """Shows nothing."""

    def planned(self, done: int, total: int) -> None:
        """Do nothing."""

    def skipped(self, cell: Cell, result: Result) -> None:
        """Do nothing."""

    def outdated(self, cell: Cell, result: Result, changed: str) -> None:
        """Do nothing."""

    def opening(self, engine: str) -> None:
        """Do nothing."""

    def started(self, cell: Cell) -> None:
        """Do nothing."""

    def restarted(self, cell: Cell, reason: str) -> None:
        """Do nothing."""

    def progressed(self, cell: Cell, stage: str, done: float, bits_per_dim: float | None) -> None:
        """Do nothing."""

    def ended(self, cell: Cell, result: Result) -> None:
        """Do nothing."""
