"""A program in place of the one that trains a level: it does what an environment variable says."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from flowzoo.program_process import Send, serve
from flowzoo.training.apart.program import train_level


def work(job: dict[str, Any], send: Send) -> None:
    what = os.environ["APART"]
    if what == "is killed once":
        alive = Path(os.environ["APART_ALIVE"])
        if job["level"] == 0 and alive.exists():
            alive.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        train_level(job, send)
        return
    if job["level"] == 0 and what == "fails":
        send({"failed": "the loss is not finite", "kind": "numbers"})
    elif job["level"] == 0 and what == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif job["level"] == 0 and what == "breaks":
        print("Traceback\nImportError: no such module", file=sys.stderr)
        sys.stderr.flush()
        os._exit(1)
    else:
        sys.stdin.read()  # until it is asked to stop


if __name__ == "__main__":
    serve(work)
