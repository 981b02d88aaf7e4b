"""Copies the records of a run's own log to the logs that were asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from flowzoo.training.logs.values import values_of
from flowzoo.training.logs.writer import LogWriter

_LOGGER = logging.getLogger("flowzoo")

SAMPLES = "samples"
"""Name of pictures of samples, and of what holds their place in a record of the run's own log."""


class Mirror:
    """Writes records to logs. A log that fails is closed, which is said once, and training goes on.

    Args:
        writers: The logs by name.
        folder: The run folder.
    """

    def __init__(self, writers: Mapping[str, LogWriter], folder: Path) -> None:
        self._writers = dict(writers)
        self._folder = folder

    def record(self, record: Mapping[str, Any]) -> None:
        """Write a record to the logs that lack its step."""
        for name in list(self._writers):
            if self._writers[name].written < record["step"]:
                self._try(name, lambda writer: self._write(writer, record))

    def close(self) -> None:
        """End all logs."""
        while self._writers:
            name, writer = self._writers.popitem()
            try:
                writer.close()
            except Exception as error:
                _LOGGER.warning("the log '%s' may lack its end: %s", name, _reason(error))

    def _write(self, writer: LogWriter, record: Mapping[str, Any]) -> None:
        step = record["step"]
        values = values_of(record)
        if SAMPLES not in record:
            writer.write(step, values)
        elif (self._folder / record[SAMPLES]).is_file():
            writer.picture(step, SAMPLES, self._folder / record[SAMPLES])

    def _try(self, name: str, act: Callable[[LogWriter], object]) -> None:
        try:
            act(self._writers[name])
        except Exception as error:
            broken = self._writers.pop(name)
            with suppress(Exception):
                broken.close()
            _LOGGER.warning(
                "the log '%s' has ended, and training goes on without it: %s", name, _reason(error)
            )


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
