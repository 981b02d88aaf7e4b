"""Two processes that share the batches of a step, against one: the seconds of the same steps.

    python benchmarks/parallel/data_parallel.py

Each process has one thread. Writes ``benchmarks/results/parallel/data_parallel.json``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from alternating import compare

from flowzoo.training.log import TrainingLog

ROUNDS, STEPS = 3, 60
SETTINGS = {
    "levels": 1,
    "last": {"steps": 4, "network": {"hidden": 128}},
    "training": {"batch_size": 128, "accumulate": 2, "validations": 1, "validation_images": 32},
}


def training(folder: Path) -> list[str]:
    """Return the arguments of flowzoo."""
    given = [each for name, value in SETTINGS.items() for each in ("--set", f"{name}={json.dumps(value)}")]
    start = ["train", "glow", "--data", "digits", "--steps", str(STEPS), "--device", "cpu"]
    return [*start, "--out", str(folder), *given]


def one(folder: Path) -> Sequence[str]:
    return ["flowzoo", *training(folder)]


def two(folder: Path) -> Sequence[str]:
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return [*launcher, "-m", "flowzoo", *training(folder)]


def trained(folder: Path, command: float) -> float:
    """Return the seconds of the steps after the first ten, which warm up."""
    records = TrainingLog(folder / "log.jsonl").read()
    seconds = {each["step"]: each["seconds"] for each in records if "loss" in each}
    passed: float = seconds[STEPS] - seconds[10]
    return passed


if __name__ == "__main__":
    facts = {"model": "glow", "data": "digits", "steps": STEPS, "settings": SETTINGS}
    compare("data_parallel", {"one process": one, "two processes": two}, ROUNDS, trained, facts)
