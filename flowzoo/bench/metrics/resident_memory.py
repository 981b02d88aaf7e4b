"""Measures how much memory a process needs for a call."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flowzoo.errors import FlowzooError

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")

_RESET_PEAK = "5"
"""What to write to ``clear_refs`` so that the peak begins anew: proc(5)."""


@dataclass(frozen=True)
class Growth:
    """Resident memory, in bytes.

    Attributes:
        before: Memory that was held before the call.
        peak: Largest amount that was held at once during the call, above ``before``.
        whole: Whether the peak could be reset before the call; if not, ``peak`` is a lower bound.
    """

    before: int
    peak: int
    whole: bool


def measure_growth(call: Callable[[], object]) -> Growth:
    """Make a call and return how far the process's resident memory grew on the way.

    Memory that was freed before is given back to the system first, as far as the C library can: what a call
    finds ready would not be seen to be needed by it. So a call's growth hardly depends on what ran before.

    Raises:
        FlowzooError: This system cannot report it.
    """
    gc.collect()
    _give_back()
    whole = _forget_peak()
    before = _peak()
    call()
    return Growth(before, max(0, _peak() - before), whole)


def _give_back() -> None:
    """Let the C library return freed memory, which it otherwise keeps; only glibc can do that."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _forget_peak() -> bool:
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def _peak() -> int:
    """Return the largest resident memory since the process began, or since the peak was last reset."""
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return int(found[1]) * 1024 if found else _peak_of_lifetime()


def _peak_of_lifetime() -> int:
    if sys.platform == "win32":
        raise FlowzooError("memory on the CPU cannot be measured on Windows. Use Linux, macOS or a GPU.")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
