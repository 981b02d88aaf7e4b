"""What a runner needs of whatever starts its cells, and the launcher that starts them on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from flowzoo.bench.worker_process import WorkerProcess
from flowzoo.program_process import Inbox


class CellProcess(Protocol):
    """A cell that was started.

    Attributes:
        done: Whether it has reported that its result is written.
        lost: Why its worker died, if that is how it has ended, however often it was started; otherwise empty.
    """

    done: bool
    lost: str

    def kill(self) -> None:
        """End it and all that it started."""

    def wait(self) -> int:
        """Return its exit status, once it has sent its last message."""

    def printed(self) -> str:
        """Return the end of its output."""


class Launcher(Protocol):
    """Starts cells. As a context manager it holds what it needs for that.

    Attributes:
        name: Name of the engine.
        queues: Whether a cell may have to wait for a place after it was started.
        elsewhere: Whether cells may run on other machines.
        threads: Number of threads of a cell if the suite does not say; None for a share of the cores.
        fits: Number of cells for which there is room at the same time. Known once the launcher is entered.
    """

    name: str
    queues: bool
    elsewhere: bool
    threads: int | None
    fits: int

    def device(self, asked: str) -> str:
        """Return the device that cells compute on, for the one that was asked for."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...

    def start(self, job: Mapping[str, Any], threads: int, output: Path, inbox: Inbox) -> CellProcess:
        """Start a cell.

        Args:
            job: The job, as :mod:`flowzoo.bench.worker` reads it.
            threads: Number of threads that its libraries may use on the CPU.
            output: File for its output.
            inbox: Receives its messages.
        """


class LocalLauncher:
    """Starts each cell as a process of this machine."""

    name = "local"
    queues = False
    elsewhere = False
    threads: int | None = None
    fits = 1

    def device(self, asked: str) -> str:
        """Return the device as it was asked for."""
        return asked

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    def start(self, job: Mapping[str, Any], threads: int, output: Path, inbox: Inbox) -> CellProcess:
        """Start a process. Arguments as in :meth:`Launcher.start`."""
        return WorkerProcess(job, threads, output, inbox)
