"""The program that talks to an engine for a runner: ``python -m flowzoo.bench.engines.host``.

It reads commands, a JSON object a line, from its standard input: first the engine with its options, then
``start`` with a job or ``kill``, each with the cell's number. It writes messages, a JSON object a line, to
what its standard output was when it began. Everything else that the engine's library prints goes to standard
error. When its standard input closes, it cancels what is running and ends. So nothing goes on after a runner
has ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from flowzoo.bench.engines.engine import Attempt, Engine, Lost, Refused
from flowzoo.bench.engines.known import ENGINES, Chosen
from flowzoo.program_process import Message

KILLED = (-signal.SIGKILL, -signal.SIGTERM)
"""Exit statuses of a process that was ended by someone else, such as a system that is short of memory."""


def main() -> None:
    """Serve one runner."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.loads(sys.stdin.readline())
    name = asked["engine"]
    options = ENGINES[name].options.model_validate(asked["options"])
    engine = Chosen(name, options).make(Path(asked["folder"]))
    host = Host(engine, options.retries, out)
    try:
        host.serve(sys.stdin)
    finally:
        host.close()
    sys.stderr.flush()
    os._exit(0)  # a library may have left threads behind


class Host:
    """Hands cells over to an engine, each watched by a thread, and starts those again that are lost.

    Args:
        engine: The engine.
        retries: How often a cell is started again.
        out: Where messages are written.
    """

    def __init__(self, engine: Engine, retries: int, out: Any) -> None:
        self._engine = engine
        self._retries = retries
        self._out = out
        self._writing = threading.Lock()
        self._attempts: dict[int, Attempt] = {}
        self._killed: set[int] = set()
        self._changing = threading.Lock()
        self._threads: list[threading.Thread] = []

    def serve(self, commands: Any) -> None:
        """Connect, then follow commands until there are no more."""
        try:
            self._send({"ready": self._engine.open()})
        except Refused as error:
            self._send({"refused": str(error)})
            return
        for line in commands:
            command = json.loads(line)
            if "start" in command:
                follow = threading.Thread(
                    target=self._follow, args=(command["start"], command["job"]), daemon=True
                )
                self._threads.append(follow)
                follow.start()
            elif "kill" in command:
                self._kill(command["kill"])

    def close(self) -> None:
        """Cancel all cells and disconnect."""
        for cell in list(self._attempts):
            self._kill(cell)
        for thread in self._threads:
            thread.join(_MOMENT)
        self._engine.close()

    def _kill(self, cell: int) -> None:
        with self._changing:
            self._killed.add(cell)
            attempt = self._attempts.get(cell)
        if attempt is not None:
            attempt.cancel()

    def _follow(self, cell: int, job: dict[str, Any]) -> None:
        try:
            self._send({"cell": cell, **self._to_the_end(cell, job)})
        except Refused as error:
            self._refuse(cell, str(error))
        except Exception as error:  # a fault of the engine's library must not leave the runner waiting
            self._refuse(cell, f"the engine failed: {type(error).__name__}: {error}")

    def _refuse(self, cell: int, reason: str) -> None:
        """Say that no cell can run; of a cell that was cancelled, say only that it has ended."""
        self._send({"cell": cell, **(_lost("cancelled") if cell in self._killed else {"refused": reason})})

    def _to_the_end(self, cell: int, job: dict[str, Any]) -> Message:
        """Return how a cell has ended, after as many attempts as it takes."""
        failed = 0
        while True:
            ended = self._attempt(cell, job)
            failed += 1
            lost = ended["ended"]["lost"]
            if not lost or failed > self._retries or cell in self._killed:
                return ended
            self._send({"cell": cell, "message": {"again": lost, "attempt": failed, "of": self._retries}})

    def _attempt(self, cell: int, job: dict[str, Any]) -> Message:
        try:
            with self._changing:
                if cell in self._killed:
                    raise Lost("cancelled")
                attempt = self._attempts[cell] = self._engine.start(job)
            for message in attempt.messages():
                if "ended" not in message:
                    self._send({"cell": cell, "message": message})
                    continue
                ended = message["ended"]
                killed = not ended["done"] and ended["code"] in KILLED
                lost = f"its process was killed by signal {-ended['code']}" if killed else ""
                return {"ended": {**ended, "lost": lost}}
            raise Lost("it ended without a word")
        except Lost as error:
            return _lost(str(error))
        finally:
            self._attempts.pop(cell, None)

    def _send(self, message: Message) -> None:
        with self._writing, suppress(OSError):  # the runner has ended, which standard input says too
            self._out.write(json.dumps(message) + "\n")
            self._out.flush()


def _lost(reason: str) -> Message:
    return {"ended": {"code": 1, "done": False, "printed": "", "lost": reason}}


_MOMENT = 15.0
"""Seconds in which a cell that was cancelled is expected to end."""


if __name__ == "__main__":
    main()
