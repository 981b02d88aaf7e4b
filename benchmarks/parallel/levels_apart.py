"""Levels that train at the same time in two processes, against one after another: seconds of the command.

    python benchmarks/parallel/levels_apart.py

Each process has one thread. Writes ``benchmarks/results/parallel/levels_apart.json``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from alternating import compare

ROUNDS, STEPS = 1, 7200
SETTINGS = {"levels": 4, "training": {"batch_size": 64, "validations": 1, "validation_images": 32}}


def training(folder: Path, *more: str) -> list[str]:
    """Return the arguments of Python."""
    given = [each for name, value in SETTINGS.items() for each in ("--set", f"{name}={json.dumps(value)}")]
    start = ["flowzoo", "train", "wavelet-flow", "--data", "digits", "--steps", str(STEPS)]
    return [*start, "--device", "cpu", "--out", str(folder), *given, *more]


def after_another(folder: Path) -> Sequence[str]:
    return training(folder, "--set", "training.order=separately")


def apart(folder: Path) -> Sequence[str]:
    return training(folder, "--parallel", "levels", "--jobs", "2")


if __name__ == "__main__":
    facts = {"model": "wavelet-flow", "data": "digits", "steps": STEPS, "settings": SETTINGS}
    cases = {"one after another": after_another, "two at the same time": apart}
    compare("levels_apart", cases, ROUNDS, lambda folder, command: command, facts)
