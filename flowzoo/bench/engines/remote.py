"""Starts cells through an engine, which runs in a process of its own (:mod:`flowzoo.bench.engines.host`)."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from itertools import count
from pathlib import Path
from typing import Any, Self

from flowzoo.bench.engines.known import Chosen
from flowzoo.bench.engines.node import MARK
from flowzoo.errors import FlowzooError, OptionError
from flowzoo.files import make_folder, write_text
from flowzoo.program_process import Inbox
from flowzoo.shell import word

_PATIENCE = 30.0
"""Seconds that the engine has to cancel what is running and to disconnect."""


ENGINE_FOLDER = ".work/engine"
"""Folder of an engine's log and files, below that of the suite's results."""


class EngineError(FlowzooError):
    """An engine that cannot be used, or that has stopped."""


class RemoteCell:
    """A cell that was handed over to an engine.

    Attributes:
        done: Whether it has reported that its result is written.
        lost: Why its worker died, if that is how its last attempt ended; otherwise empty.
    """

    def __init__(self, launcher: RemoteLauncher, number: int, output: Path) -> None:
        self.done = False
        self.lost = ""
        self._launcher = launcher
        self._number = number
        self._output = output
        self._code = 1
        self._ended = threading.Event()

    def end(self, code: int, done: bool, printed: str, lost: str) -> None:
        """Note how it has ended."""
        if printed and not self._output.exists():
            with suppress(OSError):
                self._output.write_text(printed)
        self._code, self.done, self.lost = code, done, lost
        self._ended.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.kill()

    def interrupt(self) -> None:
        """Cancel it."""
        if not self._ended.is_set():
            self._launcher.send({"kill": self._number})

    def kill(self) -> None:
        """Cancel it, and wait until it has ended."""
        self.interrupt()
        self._ended.wait(_PATIENCE)

    def wait(self, patience: float | None = None) -> int:
        """Return its exit status, after so many seconds at most."""
        self._ended.wait(patience)
        return self._code

    def printed(self) -> str:
        """Return the end of its output."""
        try:
            return self._output.read_text(errors="replace")
        except OSError:
            return ""


class RemoteLauncher:
    """Starts cells through an engine.

    Args:
        chosen: The engine with its options.
        folder: Folder for the engine's log and its own files; made if it does not exist.
    """

    queues = True
    elsewhere = True

    def __init__(self, chosen: Chosen, folder: Path) -> None:
        self.name = chosen.name
        self.threads: int | None = chosen.options.cpus
        self.fits = 1
        self._chosen = chosen
        self._folder = folder
        self._log = folder / "log"
        self._numbers = count()
        self._cells: dict[int, tuple[RemoteCell, Inbox]] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._sending = threading.Lock()

    def device(self, asked: str) -> str:
        """Return ``cuda`` for cells with a GPU, ``cpu`` for others.

        Raises:
            OptionError: Another one was asked for.
        """
        has = "cuda" if self._chosen.options.gpus else "cpu"
        if asked in ("auto", has):
            return has
        if asked == "cuda":
            raise OptionError(f"--device cuda with --engine {self.name} needs --gpus 1 or more for each cell")
        raise OptionError(
            f"--device {asked} cannot be chosen with --engine {self.name}: leave it out, or use {has}"
        )

    def __enter__(self) -> Self:
        make_folder(self._folder)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flowzoo.bench.engines.host"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # the runner handles interrupts from the terminal
            )
        try:
            self.send(
                {
                    "engine": self.name,
                    "options": self._chosen.options.model_dump(),
                    "folder": str(self._folder.absolute()),
                }
            )
            assert self._process.stdout is not None
            answer = json.loads(self._process.stdout.readline() or b"{}")
            if "ready" not in answer:
                raise EngineError(answer.get("refused") or self._stopped())
        except BaseException:
            with self._process.stdout or nullcontext():
                self.__exit__()
            raise
        self.fits = answer["ready"]
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        assert self._process is not None
        process, self._process = self._process, None
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def start(self, job: Mapping[str, Any], threads: int, output: Path, inbox: Inbox) -> RemoteCell:
        """Hand over a cell. Arguments as in :meth:`~.launcher.Launcher.start`."""
        number, mark = next(self._numbers), secrets.token_hex(8)
        work = Path(job["work"])
        write_text(work / MARK, mark)
        output.unlink(missing_ok=True)
        cell = RemoteCell(self, number, output)
        self._cells[number] = cell, inbox
        self.send({"start": number, "job": {**job, "mark": mark}})
        return cell

    def send(self, command: Mapping[str, Any]) -> None:
        """Write a command to the engine's process; one that has ended is noticed by who listens to it."""
        process = self._process
        if process is not None and process.stdin is not None:
            with self._sending, suppress(BrokenPipeError, ValueError):
                process.stdin.write(json.dumps(command, default=dict).encode() + b"\n")
                process.stdin.flush()

    def _listen(self) -> None:
        process = self._process
        if process is None or process.stdout is None:
            return
        with process.stdout as lines:
            for line in lines:
                with suppress(ValueError):  # cut short by its end
                    self._take(json.loads(line))
        for number in list(self._cells):
            self._take({"cell": number, "refused": self._stopped()})

    def _take(self, message: Mapping[str, Any]) -> None:
        number = message["cell"]
        cell, inbox = self._cells[number]
        if "message" in message:
            inbox.put((cell, message["message"]))
            return
        if "refused" in message:
            inbox.put((cell, {"refused": message["refused"]}))
            cell.end(1, False, "", "")
        else:
            cell.end(**message["ended"])
        inbox.put((cell, None))
        del self._cells[number]

    def _stopped(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").split("\n")
        except OSError:
            lines = []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
        return f"engine '{self.name}' has stopped ({last:.200}); see {word(self._log)}"
