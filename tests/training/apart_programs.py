"""A program in place of the one that trains a level: it does what an environment variable says."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from flowzoo.program_process import Send, serve


def work(job: dict[str, Any], send: Send) -> None:
    what = os.environ["APART"]
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
