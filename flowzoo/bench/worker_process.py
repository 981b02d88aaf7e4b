"""The process of a worker (:mod:`flowzoo.bench.worker`), for the process that starts it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

Message = dict[str, Any]

_HAS_GROUPS = hasattr(os, "killpg")

_MOMENT = 10.0
"""Seconds."""

_TAIL = 20_000
"""Number of bytes at the end of a process's output that are read."""


class WorkerProcess:
    """Starts a worker on a job, and ends it.

    Its messages go into a queue as ``(worker, message)``; ``(worker, None)`` follows the last one.

    Args:
        job: The job, as plain data.
        threads: Number of threads that its libraries may use on the CPU.
        output: File for its output.
        inbox: The queue.
    """

    def __init__(
        self,
        job: Mapping[str, Any],
        threads: int,
        output: Path,
        inbox: queue.Queue[tuple[WorkerProcess, Message | None]],
    ) -> None:
        self.done = False
        """Whether it has reported that its job is done."""
        self.lost = ""
        """Empty: a process that is killed on this machine has failed, and is not started again."""
        self._output = output
        self._inbox = inbox
        number = str(threads)
        environment = {**os.environ, "OMP_NUM_THREADS": number, "MKL_NUM_THREADS": number}
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flowzoo.bench.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=environment,
                start_new_session=True,  # the runner handles interrupts from the terminal
            )
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once; its exit status and output show why
            self._process.stdin.write(json.dumps(dict(job), default=dict).encode() + b"\n")
            self._process.stdin.flush()
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End the process and all that it started."""
        self._process.kill()
        self._end_group()
        self._process.wait()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def wait(self) -> int:
        """Return its exit status, once it has ended; the negative number of a signal that killed it.

        A process that has sent its last message gets a moment to end. Processes that it leaves behind are
        ended.
        """
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_MOMENT)
        self.kill()
        return self._process.returncode

    def printed(self) -> str:
        """Return the end of its output."""
        try:
            with self._output.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                try:
                    message = json.loads(line)
                except ValueError:
                    continue  # cut short by its end
                if "done" in message:
                    self.done = True
                    break  # processes that it started can keep the pipe open
                self._inbox.put((self, message))
        self._inbox.put((self, None))

    def _watch(self) -> None:
        """End the processes that an ended process may have started, which would keep its pipe open."""
        self._process.wait()
        self._end_group()

    def _end_group(self) -> None:
        if _HAS_GROUPS:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
