"""Measures seconds of work, on a machine that may do other work at the same time."""

from __future__ import annotations

import time
from typing import final


@final
class Stopwatch:
    """Measures the seconds since it was made, by the clock or by the processor: the smaller number counts.

    If other processes compute, the clock goes on while nothing is computed here. With several threads, the
    processor's seconds are more than the clock's.
    """

    def __init__(self) -> None:
        self._clock, self._processor = time.monotonic(), time.process_time()

    def seconds(self) -> float:
        """Return the seconds since this stopwatch was made."""
        return min(time.monotonic() - self._clock, time.process_time() - self._processor)
