"""Slurm, through submitit: each cell is a job."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from flowzoo.bench.engines.engine import Attempt, Engine, Job, Lost, Refused
from flowzoo.bench.engines.node import run_cell, sees_files_of
from flowzoo.bench.engines.options import SlurmOptions
from flowzoo.program_process import Message

JOBS = "jobs"
"""Folder of the jobs' scripts and logs."""

ROOM = 100
"""Number of jobs that wait or run at the same time; clusters limit how many a user may submit."""

LOOK_EVERY = 0.5
"""Seconds between two looks at a job's messages."""

LATE = 15.0
"""Seconds in which the last messages of an ended job may still arrive through a network file system."""


class SlurmEngine(Engine):
    """Submits each cell as a job, which writes its messages into a file that the machines share.

    submitit hands a function over to a job in a file that Python's pickle made, and that the job reads.
    Results come as flowzoo's own files; no pickle is read here.
    """

    _options: SlurmOptions
    _executor: Any = None

    @classmethod
    def preview(cls, options: SlurmOptions, folder: Path) -> str:
        from submitit.slurm.slurm import SlurmExecutor

        class Shown(SlurmExecutor):  # type: ignore[misc]  # an extra, which has no types here
            """An executor that shows scripts where there is no Slurm, too."""

            @classmethod
            def affinity(cls) -> int:
                return 1

            def text(self) -> str:
                return str(self._make_submission_file_text(self._submitit_command_str, ""))

        shown: Shown = _with_parameters(Shown(folder / JOBS), options)
        return f"each as a job of Slurm with this script:\n\n{shown.text()}"

    def open(self) -> int:
        self._executor = _executor(self._options, self._folder / JOBS)
        return ROOM

    def start(self, job: Job) -> Attempt:
        return _Submitted(self._executor, job, LATE if self._options.cluster == "slurm" else LOOK_EVERY)

    def close(self) -> None:
        shutil.rmtree(self._folder / JOBS, ignore_errors=True)


class CellJob:
    """What a job runs. Where Slurm is about to end it, it is put into the queue again and goes on there.

    Args:
        path: File that holds the job, as JSON.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self) -> None:
        """Run the cell, and write its messages."""
        job = json.loads(Path(self._path).read_text())
        with messages_of(job).open("a", encoding="utf-8") as file:
            for message in run_cell(job) if sees_files_of(job) else ():
                file.write(json.dumps(message) + "\n")
                file.flush()

    def checkpoint(self) -> Any:
        """Return what submitit puts into the queue when the time of the job is over."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def messages_of(job: Job) -> Path:
    """Return the file of a job's messages."""
    return Path(job["work"], "messages.jsonl")


class _Submitted(Attempt):
    def __init__(self, executor: Any, job: Job, late: float) -> None:
        self._job = job
        self._late = late
        self._cancelled = threading.Event()
        path = Path(job["work"], "job.json")
        path.write_text(json.dumps(job))
        messages_of(job).unlink(missing_ok=True)
        try:
            self._submitted = executor.submit(CellJob(str(path)))
        except Exception as error:  # submitit raises many kinds, with what sbatch said
            reason = " ".join(str(error).split())
            raise Refused(
                f"Slurm refused a job: {reason:.300}. Check --partition, --minutes, --cpus and --gpus"
            ) from error

    def messages(self) -> Iterator[Message]:
        place, over = 0, 0.0
        while not self._cancelled.is_set():
            found, place = _read_on(messages_of(self._job), place)
            for message in found:
                yield message
                if "ended" in message:
                    return
            if not found and over and time.monotonic() > over:
                raise Lost(self._state())
            if not over and self._submitted.done():
                over = time.monotonic() + self._late
            self._cancelled.wait(LOOK_EVERY)
        raise Lost("cancelled")

    def cancel(self) -> None:
        with suppress(Exception):  # it may have ended meanwhile
            self._submitted.cancel(check=False)
            until = time.monotonic() + self._late
            while not self._submitted.done() and time.monotonic() < until:
                self._cancelled.wait(LOOK_EVERY / 5)
        self._cancelled.set()

    def _state(self) -> str:
        return f"Slurm job {self._submitted.job_id} ended as {str(self._submitted.state).lower()}"


def _read_on(path: Path, place: int) -> tuple[list[Message], int]:
    """Return the messages in a file from a place on, and the place behind the last whole one."""
    try:
        with path.open("rb") as file:
            file.seek(place)
            text = file.read()
    except OSError:
        return [], place
    whole, _, _ = text.rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()], place + len(whole) + bool(whole)


def _executor(options: SlurmOptions, folder: Path) -> Any:
    from submitit import LocalExecutor, SlurmExecutor

    if options.cluster == "local":
        made = LocalExecutor(folder)
        made.update_parameters(timeout_min=options.minutes, setup=options.setup)
        return made
    if shutil.which("sbatch") is None:
        raise Refused(
            "there is no Slurm on this machine (no program 'sbatch'). Run the command on a login node of the "
            "cluster. To try it here, write 'cluster: local' into the YAML file that --engine names"
        )
    return _with_parameters(SlurmExecutor(folder), options)


def _with_parameters(executor: Any, options: SlurmOptions) -> Any:
    """Return an executor that asks Slurm for what the options say.

    Raises:
        Refused: submitit does not take one of them.
    """
    asked = {
        "job_name": "flowzoo",
        "time": options.minutes,
        "cpus_per_task": options.cpus,
        "partition": options.partition,
        "account": options.account,
        "gpus_per_node": options.gpus or None,
        "mem": f"{options.memory_gb * 1024:.0f}MB" if options.memory_gb else None,
        "setup": options.setup or None,
        "additional_parameters": options.sbatch or None,
    }
    try:
        executor.update_parameters(**{name: value for name, value in asked.items() if value is not None})
    except (ValueError, TypeError, NameError) as error:
        raise Refused(f"Slurm's options are refused: {error}") from error
    return executor
