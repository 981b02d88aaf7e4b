"""The record of an exception, or of a process that ended without a result."""

from __future__ import annotations

import signal
import textwrap
import traceback

from flowzoo.bench.result import Cause, Failure
from flowzoo.errors import FlowzooError, NumericalError
from flowzoo.origin import blamed

OUTPUT_LINES = 20
"""Number of lines that are kept of the output of a failed process."""


def explain(stage: str, error: BaseException) -> Failure:
    """Return the record of an exception.

    Args:
        stage: What the cell was doing.
        error: The exception.
    """
    lines = traceback.format_exception(error)
    output = () if isinstance(error, FlowzooError) else last_lines("".join(lines))
    return Failure(stage, _cause(error), _reason(error), output)


def explain_exit(stage: str, code: int, output: str) -> Failure:
    """Return the record of a process that ended without a result.

    Args:
        stage: What the cell was doing.
        code: Its exit status, or the negative number of the signal that killed it.
        output: All that it printed.
    """
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        hint = ". The system does that when memory runs out" if name == "SIGKILL" else ""
        reason = f"the process was killed by {name}{hint}"
    else:
        reason = f"the process ended with exit status {code} and no result"
    return Failure(stage, "crash", reason, last_lines(output))


def last_lines(text: str) -> tuple[str, ...]:
    """Return the last lines of what was printed, each of at most 300 characters."""
    return tuple(textwrap.shorten(line, 300) if len(line) > 300 else line for line in text.splitlines())[
        -OUTPUT_LINES:
    ]


def _cause(error: BaseException) -> Cause:
    if isinstance(error, NumericalError):
        return "not finite"
    if isinstance(error, MemoryError) or _names_memory(error):
        return "out-of-memory"
    return "error"


def _names_memory(error: BaseException) -> bool:
    """Whether torch ran out of memory, on a GPU or on the CPU, where it raises a plain RuntimeError."""
    return type(error).__name__ == "OutOfMemoryError" or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def _reason(error: BaseException) -> str:
    return textwrap.shorten(blamed(error), 500)
