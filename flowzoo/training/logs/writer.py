"""The interface of logs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowzoo.runfolder import RunFolder


class LogWriter(ABC):
    """Writes what a training logs, in the order of its steps. A step may come in several calls.

    Attributes:
        written: The last step that the log holds when it is opened. Later records of the run are written
            again; -1 for all of them.
    """

    written: int = -1

    @abstractmethod
    def write(self, step: int, values: Mapping[str, float | str]) -> None:
        """Write values of a step by their names in the run's own log (:mod:`.values`)."""

    @abstractmethod
    def picture(self, step: int, name: str, path: Path) -> None:
        """Write a picture of a step, a PNG file in the run folder."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left, and end."""


@dataclass(frozen=True)
class Opening:
    """What a writer knows when it is opened.

    Attributes:
        folder: The run folder.
        seconds: Seconds of training so far.
        sent: The last step that writers may have got before; -1 in a new run. Steps after the checkpoint
            are among them, which are trained again.
        settings: The settings of the training.
    """

    folder: RunFolder
    seconds: float
    sent: int
    settings: Mapping[str, Any]
