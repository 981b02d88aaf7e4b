"""The program that plans cells, or runs one, in its own process: ``python -m flowzoo.bench.worker``.

It reads one job, a JSON object, from the first line of its standard input, and writes messages, a JSON object
a line, to what its standard output was when it began. Everything else that is printed goes to standard error.
Its standard input stays open as long as the process that started it exists. When it closes, this process
ends at once, so that no useless work continues.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from flowzoo.bench.cell import CELLS
from flowzoo.bench.elsewhere import unlike_the_runner
from flowzoo.bench.failure import explain
from flowzoo.bench.measure import CellRun
from flowzoo.bench.plan import Planner, unplanned
from flowzoo.bench.result import read_result
from flowzoo.bench.store import write_result
from flowzoo.device import prepare_device
from flowzoo.errors import FlowzooError
from flowzoo.locks import hold

Send = Callable[[dict[str, Any]], None]

ORPHANED = 3
"""Exit status of a worker if the process that started it has ended."""

TELL_EVERY = 0.2
"""Shortest time in seconds between two messages of progress in one stage."""


def main() -> None:
    """Do the job that is read from standard input."""
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # output of a plugin must not make its cell fail
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_starter, daemon=True).start()

    def send(message: dict[str, Any]) -> None:
        try:
            messages.write(json.dumps(message) + "\n")
            messages.flush()
        except OSError:
            os._exit(ORPHANED)  # nobody reads the messages, which is not the model's fault

    _plan(job, send) if job["job"] == "plan" else _run(job, send)
    send({"done": True})
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # even if a plugin has left threads behind


def _plan(job: dict[str, Any], send: Send) -> None:
    """Plan cells, and send for each its record, or the reason why there is none."""
    try:
        device = torch.device(job["device"]) if job["elsewhere"] else prepare_device(job["device"])
    except FlowzooError as error:
        send({"refused": str(error)})
        return
    planner = Planner(device.type)
    send({"device": str(device)})
    for index, cell in enumerate(CELLS.validate_python(job["cells"])):
        send({"loading": index})
        try:
            planner.load(cell)
            send({"building": index})
            result = planner.plan(cell)
        except Exception as error:  # any exception of a plugin is a finding about it
            result = replace(unplanned(cell), failure=explain("planning", error))
        send({"planned": index, "result": result.plain()})


def _run(job: dict[str, Any], send: Send) -> None:
    """Run one cell and write its result."""
    (cell,) = CELLS.validate_python([job["cell"]])
    result_path, work = Path(job["result"]), Path(job["work"])
    told, last = 0.0, ""

    def tell(stage: str, share: float, bits: float | None, is_step: bool = False) -> None:
        nonlocal told, last
        if stage != last or time.monotonic() - told > TELL_EVERY:
            told, last = time.monotonic(), stage
            send({"stage": stage, "share": share, "bits": bits, "is_step": is_step})

    plan = read_result(job["plan"])
    if "expected" in job:
        reason = unlike_the_runner(cell, plan, job["expected"], job["device"])
        if reason:
            send({"refused": reason})
            return
    torch.set_num_threads(job["threads"])
    work.mkdir(parents=True, exist_ok=True)
    # The worker of an interrupted runner may take a moment to notice that.
    with hold(work / "lock", f"another process is running this cell in {work}", timeout=60):
        run = CellRun(
            cell,
            plan,
            work,
            job["device"],
            job["jobs"],
            tell,
        )
        write_result(result_path, run.run(result_path))


def _end_with_starter() -> None:
    while sys.stdin.readline():
        pass
    os._exit(ORPHANED)


if __name__ == "__main__":
    main()
