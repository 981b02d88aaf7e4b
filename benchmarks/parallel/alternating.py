"""Times commands in turns, and writes what was found."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parents[1] / "results" / "parallel"


def compare(
    name: str,
    commands: Mapping[str, Callable[[Path], Sequence[str]]],
    rounds: int,
    seconds_of: Callable[[Path, float], float],
    facts: Mapping[str, Any],
) -> None:
    """Run commands in turns, and write the median of each and the ratio of the second to the first.

    Args:
        name: Name of the file of results, without its ending.
        commands: Arguments of Python by name, given a new run folder.
        rounds: How often each is run.
        seconds_of: Returns what is compared, given the run folder and the seconds of the whole command.
        facts: What was run.
    """
    found: dict[str, list[float]] = {each: [] for each in commands}
    whole: dict[str, list[float]] = {each: [] for each in commands}
    load = [os.getloadavg()[0]]
    for _ in range(rounds):
        for each, arguments in commands.items():
            with tempfile.TemporaryDirectory() as folder:
                run = Path(folder) / "run"
                began = time.monotonic()
                subprocess.run(
                    [sys.executable, "-m", *arguments(run)],
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=True,
                )
                whole[each].append(round(time.monotonic() - began, 2))
                found[each].append(round(seconds_of(run, whole[each][-1]), 2))
                print(f"{each}: {found[each][-1]} s, with the start of all processes {whole[each][-1]} s")
            load.append(os.getloadavg()[0])
    one, several = (statistics.median(each) for each in found.values())
    print(f"ratio {several / one:.2f}")
    record = {
        **facts,
        "seconds": found,
        "seconds_of_the_command": whole,
        "ratio": round(several / one, 3),
        "cores": os.cpu_count(),
        "load_average": [round(each, 2) for each in load],
        "processor": platform.processor() or platform.machine(),
        "torch": torch.__version__,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
