"""Stops a training after Ctrl-C or SIGTERM, so that nothing is lost."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_LOGGER = logging.getLogger("flowzoo")

_DEFAULTS: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}
"""Signals that stop a training, with the handlers that are replaced. A program's own handlers are kept."""


class Interrupted(KeyboardInterrupt):
    """A training was stopped by a signal.

    Attributes:
        signal: Number of the signal.
        step: The step up to which everything is saved; None where this stop saved nothing.
    """

    def __init__(self, number: int, step: int | None = None) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.signal = number
        self.step = step


class _Request:
    """The state of handler and training; it is global, since signals belong to the whole process."""

    patient = False
    number: int | None = None


@contextmanager
def stoppable() -> Iterator[None]:
    """Let signals raise :class:`Interrupted` while the block runs; outside the main thread, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number, usual in _DEFAULTS.items() if signal.getsignal(number) == usual]
    for number in ours:
        signal.signal(number, _receive)
    try:
        yield
    finally:
        _Request.number = None
        for number in ours:
            signal.signal(number, _DEFAULTS[number])


@contextmanager
def saving_first() -> Iterator[None]:
    """Delay the first signal until :func:`requested` is called; a second one raises at once."""
    before, _Request.patient = _Request.patient, True
    try:
        yield
    finally:
        _Request.patient = before


def requested() -> int | None:
    """Return the number of the delayed signal; None if there is none."""
    return _Request.number


def _receive(number: int, frame: FrameType | None) -> None:
    if not _Request.patient or _Request.number is not None:
        raise Interrupted(number)
    _Request.number = number
    _LOGGER.warning("stopping: this step is finished and saved first (once more to stop at once)")
