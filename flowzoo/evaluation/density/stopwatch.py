"""Seconds of work, on a machine that may be busy with other things too."""

from __future__ import annotations

import time
from typing import final


@final
class Stopwatch:
    """Measures the seconds since it was made: of the clock or of the processor, whichever are fewer.

    Beside other processes the clock runs while nothing is computed here; on several threads the processor's
    seconds are more than the clock's.
    """

    def __init__(self) -> None:
        self._clock, self._processor = time.monotonic(), time.process_time()

    def seconds(self) -> float:
        """Return the seconds since this stopwatch was made."""
        return min(time.monotonic() - self._clock, time.process_time() - self._processor)
