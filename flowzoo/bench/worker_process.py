"""The process of a worker (:mod:`flowzoo.bench.worker`), for the process that starts it."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from flowzoo.program_process import Message, ProgramProcess

__all__ = ["Message", "WorkerProcess"]

WORKER = "flowzoo.bench.worker"
"""The program of a worker."""


class WorkerProcess(ProgramProcess):
    """Starts a worker on a job, and ends it; arguments as of :class:`ProgramProcess`."""

    def __init__(
        self,
        job: Mapping[str, Any],
        threads: int,
        output: Path,
        inbox: queue.Queue[tuple[Self, Message | None]],
    ) -> None:
        super().__init__(WORKER, job, threads, output, inbox)
