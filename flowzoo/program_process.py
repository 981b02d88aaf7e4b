"""A program of flowzoo in a process of its own: as its starter sees it, and the frame of the program.

The program reads one job, a JSON object, from the first line of its standard input, and writes messages, a
JSON object a line, to what its standard output was when it began. Everything else that is printed goes to
standard error. Its standard input stays open as long as the process that started it exists. When it closes,
the program ends at once, so that no useless work continues.
"""

from __future__ import annotations

import io
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

Message = dict[str, Any]
Send = Callable[[Message], None]

Inbox = queue.Queue[tuple[Any, Message | None]]
"""Messages, each with the process that sent it; None follows the last one."""

ORPHANED = 3
"""Exit status of a program if the process that started it has ended."""

_HAS_GROUPS = hasattr(os, "killpg")

_MOMENT = 10.0
"""Seconds."""

_TAIL = 20_000
"""Number of bytes at the end of a process's output that are read."""


class ProgramProcess:
    """Starts a program on a job, and ends it.

    Args:
        program: The module that is run.
        job: The job, as plain data.
        threads: Number of threads that its libraries may use on the CPU.
        output: File for its output.
        inbox: Receives its messages, each with this object.
    """

    def __init__(
        self,
        program: str,
        job: Mapping[str, Any],
        threads: int,
        output: Path,
        inbox: Inbox,
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
                [sys.executable, "-m", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=environment,
                start_new_session=True,  # the starter handles interrupts from the terminal
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

    def interrupt(self) -> None:
        """Ask the program to end, so that it can save what it has."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    def kill(self) -> None:
        """End the process and all that it started."""
        self._process.kill()
        self._end_group()
        self._process.wait()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def wait(self, patience: float = _MOMENT) -> int:
        """Return its exit status, once it has ended; the negative number of a signal that killed it.

        Processes that it leaves behind are ended.

        Args:
            patience: Seconds after which it is killed, if it has not ended by itself.
        """
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
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


def serve(work: Callable[[Message, Send], object]) -> None:
    """Be the program of a process: do one job, and end the process.

    Args:
        work: Does the job, which it is given with a function that sends a message to the starter.
    """
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # output of a plugin must not make its work fail
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_starter, daemon=True).start()

    def send(message: Message) -> None:
        try:
            messages.write(json.dumps(message) + "\n")
            messages.flush()
        except OSError:
            os._exit(ORPHANED)  # nobody reads the messages, which is not the work's fault

    work(job, send)
    send({"done": True})
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # even if a plugin has left threads behind


def _end_with_starter() -> None:
    while sys.stdin.readline():
        pass
    os._exit(ORPHANED)
