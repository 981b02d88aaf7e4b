"""The process of a worker (:mod:`flowzoo.bench.worker`), for the process that starts it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowzoo.program_process import Inbox, ProgramProcess

WORKER = "flowzoo.bench.worker"
"""The program of a worker."""


class WorkerProcess(ProgramProcess):
    """Starts a worker on a job, and ends it; arguments as of :class:`ProgramProcess`."""

    def __init__(
        self,
        job: Mapping[str, Any],
        threads: int,
        output: Path,
        inbox: Inbox,
    ) -> None:
        super().__init__(WORKER, job, threads, output, inbox)
