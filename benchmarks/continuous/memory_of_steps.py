"""Memory of a training step against the number of dopri5 steps a block, with and without checkpointing.

    python benchmarks/continuous/memory_of_steps.py --out memory.json

Every measurement has a process of its own: the most memory that it held during the step (of the device, on
CUDA) less what it held before. Neither data nor weights matter, so both are random. Linux or CUDA only.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from setting import (
    CONTEXT_SHAPE,
    SHAPE,
    Setting,
    adam,
    build_cnf,
    command_line,
    facts,
    loss_of,
    prepare,
    step,
)
from timing import print_table, write

from flowzoo.warm_start import WarmStart

MEBIBYTE = 2.0**20
TASK = "FLOWZOO_MEMORY_OF_STEPS"
"""Tells a process which measurement is its own."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = command_line(__doc__ or "", arguments, most_steps=8)
    setting = prepare(asked)
    if TASK in os.environ:
        steps, checkpointing = json.loads(os.environ[TASK])
        print(json.dumps(measure(setting, steps, checkpointing)))
        return
    given = sys.argv[1:] if arguments is None else list(arguments)
    rows: list[dict[str, float]] = []
    for steps in range(1, asked.most_steps + 1):
        row: dict[str, float] = {"steps": steps}
        for name, checkpointing in (("plain", False), ("checkpointed", True)):
            found = in_a_process(given, steps, checkpointing)
            row |= {f"{name}, {unit}": value for unit, value in found.items()}
        rows.append(row)
    print_table(
        f"a training step, {setting.batch} images, {torch.get_num_threads()} threads",
        tuple(rows[0]),
        [tuple(row.values()) for row in rows],
    )
    write(asked.out, {**facts(setting), "rows": rows})


def in_a_process(arguments: Sequence[str], steps: int, checkpointing: bool) -> dict[str, float]:
    """Return what :func:`measure` finds in a new process."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), *arguments],
        env={**os.environ, TASK: json.dumps([steps, checkpointing])},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(setting: Setting, steps: int, checkpointing: bool) -> dict[str, float]:
    """Take one training step; return its memory in MiB and its seconds.

    A step on one image goes before, so that what libraries set up once is not counted.
    """
    cnf = build_cnf(setting, solver="dopri5", steps=steps, checkpointing=checkpointing)
    optimiser, warm_start = adam(cnf), WarmStart(cnf)
    x = torch.randn(setting.batch, *SHAPE, device=setting.device)
    context = torch.randn(setting.batch, *CONTEXT_SHAPE, device=setting.device)
    generator = torch.Generator().manual_seed(0)

    def take(images: int) -> None:
        step(cnf, optimiser, lambda: loss_of(cnf, x[:images], context[:images], generator, warm_start)[0])

    take(1)
    before = held(setting.device)
    began = time.perf_counter()
    take(setting.batch)
    most = most_held(setting.device)
    return {"MiB": (most - before) / MEBIBYTE, "s": time.perf_counter() - began}


def held(device: torch.device) -> float:
    """Return the bytes held now, from which :func:`most_held` begins anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    # What was freed but not given back would be used again unseen. The peak that getrusage knows is that of
    # the whole life, and of the process that this one came from.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return float(pages * resource.getpagesize())


def most_held(device: torch.device) -> float:
    """Return the most bytes held since :func:`held`."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return 1024.0 * int(peak)


if __name__ == "__main__":
    main()
