"""A worker process, as whoever started it sees it."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Message = dict[str, Any]


class Worker:
    """Starts a worker on a job.

    Its messages go into a queue as ``(worker, message)``; after the last one comes ``(worker, None)``.

    Args:
        job: What it shall do, as plain data.
        threads: That its libraries may use on the CPU.
        output: File that takes what it prints.
        inbox: The queue.
    """

    def __init__(
        self,
        job: Mapping[str, Any],
        threads: int,
        output: Path,
        inbox: queue.Queue[tuple[Worker, Message | None]],
    ) -> None:
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
                start_new_session=True,  # what interrupts the runner on a terminal is the runner's to handle
            )
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it ended at once; its exit status and what it printed say why
            self._process.stdin.write(json.dumps(dict(job), default=dict).encode() + b"\n")
            self._process.stdin.flush()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Return its exit status, once it has ended; the negative number of a signal that killed it."""
        code = self._process.wait()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        return code

    def printed(self) -> str:
        """Return the end of what it printed."""
        try:
            return self._output.read_bytes()[-20_000:].decode(errors="replace")
        except OSError:
            return ""

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                try:
                    self._inbox.put((self, json.loads(line)))
                except ValueError:
                    continue  # cut short by its end
        self._inbox.put((self, None))
