"""Runs a cell, or another program, on the machine that an engine has chosen, in a process of its own."""

from __future__ import annotations

import platform
import queue
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from flowzoo.bench.engines.engine import Job
from flowzoo.bench.engines.travel import pack, unpack
from flowzoo.bench.store import ResultsError, read_results
from flowzoo.bench.worker_process import WORKER
from flowzoo.program_process import Inbox, Message, ProgramProcess

MARK = "runner"
"""File in a cell's work folder by which a machine finds out whether it sees the runner's files."""


def run_cell(job: Job, carried: bytes = b"") -> Iterator[Message]:
    """Run a cell, and yield its messages.

    The first is ``began``, with the name of the machine; the last is ``ended``, with the process's exit
    status, the end of its output, and whether it has written its result. Where the machine does not see the
    runner's folders, ``files`` comes before it: what the cell has written, for :func:`~.travel.deliver`.

    Args:
        job: What :mod:`flowzoo.bench.worker` reads, with ``mark``, which the file :data:`MARK` in the work
            folder holds. With ``program``, that module is run instead, which writes nothing but into folders
            that all machines see, and has ``saving`` seconds to save its work when it is cancelled.
        carried: The work folder of an interrupted cell, for a machine that does not see it.
    """
    yield {"began": platform.node()}
    if sees_files_of(job):
        yield from _run(job)
        return
    if "program" in job:
        yield {
            "refused": f"the machine {platform.node()} does not see {job['work']}. Use a folder on a file "
            "system that all machines of the cluster share"
        }
        return
    with tempfile.TemporaryDirectory(prefix="flowzoo-cell-", ignore_cleanup_errors=True) as folder:
        work, results = Path(folder, "work"), Path(folder, "results")
        work.mkdir()
        results.mkdir()
        unpack(carried, work)
        result = results / Path(job["result"]).name
        ended: Message = {}
        for message in _run({**job, "work": str(work), "result": str(result)}):
            if "ended" in message:
                ended = message
            else:
                yield message
        yield {"files": {"results": pack(results), "work": b"" if _is_finished(result) else pack(work)}}
        yield ended


def sees_files_of(job: Job) -> bool:
    """Return whether this machine sees the work folder of the runner itself, not one of the same name."""
    with suppress(OSError):
        return bool(Path(job["work"], MARK).read_text() == job["mark"])
    return False


def _run(job: Job) -> Iterator[Message]:
    inbox: Inbox = queue.Queue()
    program, output = job.get("program", WORKER), Path(job["work"], "output.log")
    with ProgramProcess(program, job, job["threads"], output, inbox) as worker:
        try:
            yield from _messages(inbox)
        except BaseException:
            if "saving" in job:
                worker.interrupt()
                worker.wait(job["saving"])
            raise
        code = worker.wait()
        yield {"ended": {"code": code, "done": worker.done, "printed": worker.printed()}}


def _messages(inbox: Inbox) -> Iterator[Message]:
    while True:
        try:
            # An engine may end a cell by an interrupt, which a wait without a limit would never notice.
            _, message = inbox.get(timeout=_NOTICE_EVERY)
        except queue.Empty:
            continue
        if message is None:
            return
        yield message


_NOTICE_EVERY = 0.5
"""Seconds."""


def _is_finished(result: Path) -> bool:
    try:
        (found,) = read_results(result).results
    except ResultsError:
        return False
    return found.status == "finished" and not found.unmeasured
