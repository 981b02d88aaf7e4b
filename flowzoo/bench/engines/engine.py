"""The interface of an engine: what a scheduler of other people's has to be told to run cells.

A new engine is a subclass in a module of its own, its options in ``options.py``, and a line in ``known.py``.
Engines run in a process of their own (:mod:`flowzoo.bench.engines.host`), so what their libraries print, and
how they handle signals, does not affect the command.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flowzoo.program_process import Message

Job = Mapping[str, Any]
"""What :func:`~flowzoo.bench.engines.node.run_cell` takes, as plain data."""


class Lost(Exception):
    """A cell's worker died, or its machine went. The cell is started again."""


class Refused(Exception):
    """The engine cannot be used as it is asked for. The message is one line that says what to do."""


class Attempt(ABC):
    """A cell that was handed over to an engine."""

    @abstractmethod
    def messages(self) -> Iterator[Message]:
        """Yield what :func:`~flowzoo.bench.engines.node.run_cell` yields there, as it comes.

        Raises:
            Lost: The cell will send nothing more.
            Refused: No cell can run this way.
        """

    @abstractmethod
    def cancel(self) -> None:
        """End the cell, whether it is running or waiting for a place. Called from another thread."""


class Engine(ABC):
    """Runs cells through a scheduler.

    Args:
        options: The engine's options.
        folder: Folder for files of its own.
    """

    def __init__(self, options: Any, folder: Path) -> None:
        self._options = options
        self._folder = folder

    @classmethod
    @abstractmethod
    def preview(cls, options: Any, folder: Path) -> str:
        """Return how a cell would be started, for people to read. Arguments as of the class.

        Raises:
            Refused: The options are refused.
        """

    @abstractmethod
    def open(self) -> int:
        """Connect, and return for how many cells there is room at the same time.

        Raises:
            Refused: It cannot be reached, or has no room for a single cell.
        """

    @abstractmethod
    def start(self, job: Job) -> Attempt:
        """Hand over a cell.

        Raises:
            Refused: It is not accepted.
        """

    @abstractmethod
    def close(self) -> None:
        """Disconnect, and remove what was made for this run."""
