"""What starts the levels of a run elsewhere, such as the scheduler of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from flowzoo.program_process import Inbox


class LevelProcess(Protocol):
    """A level that was started; as a context manager it ends with the block.

    Attributes:
        lost: Why its machine or process died, if it was started again and again; otherwise empty.
    """

    lost: str

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...

    def interrupt(self) -> None:
        """Ask it to save what it has and to end."""

    def wait(self, patience: float = ...) -> int:
        """Return its exit status, after so many seconds at most."""

    def printed(self) -> str:
        """Return the end of its output."""


class LevelLauncher(Protocol):
    """Starts levels; entered before the first, and left after the last.

    Attributes:
        fits: Number of levels for which there is room at the same time, known once it is entered.
        threads: Number of threads of a level on the CPU.
    """

    fits: int
    threads: int | None

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...

    def device(self, asked: str) -> str:
        """Return the device that levels compute on, for the one that was asked for."""

    def start(self, job: Mapping[str, Any], threads: int, output: Path, inbox: Inbox) -> LevelProcess:
        """Start a level.

        Args:
            job: The job of its ``program``, with the ``work`` folder that it writes into.
            threads: Number of threads on the CPU.
            output: File for its output.
            inbox: Receives its messages. Where the level runs elsewhere, these say so too: ``began`` with the
                machine's name, ``again`` with the reason of another start, or ``refused`` with what to do.
        """
