"""Checks that every model still learns: bits/dim on digits after some seeded steps, beside recorded ones.

A likelihood can be right while the gradient of its loss is wrong. Such a model is a density, and it learns
nothing. No check of likelihoods finds that, and this one does. Run it by ``make learn``.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flowzoo.registry.listing import list_models

RECORD = Path(__file__).with_name("learn.json")
STEPS = 200
TOLERANCE = 0.05
"""Bits/dim by which machines may differ. Recorded models gained several times as much in their training."""

SETTINGS = {
    "*": ("training.learning_rate=3e-3", "training.warmup=20", "training.validations=2"),
    "lcma": ("training.scoring=0.2",),
    "rnode": ("bijector.blocks=1", "bijector.network.hidden=16"),
    "tarflow": ("bijector.width=64",),
}
"""What models are trained with, by pattern."""


@dataclass(frozen=True)
class Learnt:
    """What a model reached.

    Attributes:
        bits_per_dim: Test bits/dim on the first images of digits.
        steps: Training steps that it took.
        tolerance: How much higher the figure may be on another machine.
    """

    bits_per_dim: float
    steps: int = STEPS
    tolerance: float = TOLERANCE


def learn(model: str, steps: int = STEPS, settings: Iterable[str] = ()) -> float:
    """Train a model as a user would, and return its bits/dim.

    Args:
        model: Registered name.
        steps: Training steps.
        settings: Further settings, as ``--set`` takes them.

    Raises:
        RuntimeError: A command failed; the error holds what it said.
    """
    chosen = [
        each for pattern, group in SETTINGS.items() if fnmatch.fnmatch(model, pattern) for each in group
    ]
    assignments = [word for each in (*chosen, *settings) for word in ("--set", each)]
    with tempfile.TemporaryDirectory() as folder:
        run = str(Path(folder) / "run")
        budget = ["--steps", str(steps), "--seed", "0", "--device", "cpu"]
        _flowzoo("train", model, "--data", "digits", "--out", run, *budget, *assignments)
        said = _flowzoo(
            "evaluate", run, "--images", "100", "--no-audit", "--no-floor", "--device", "cpu", "--json"
        )
    return float(json.loads(said)["bits_per_dim"])


def faults(reached: dict[str, float], recorded: dict[str, Learnt]) -> list[str]:
    """Return what is wrong, a line for each model that learnt less than recorded or has no record."""
    found = []
    for model, figure in sorted(reached.items()):
        if model not in recorded:
            found.append(f"{model} has no recorded figure. Run: make learn LEARNFLAGS=--record")
        elif not figure <= recorded[model].bits_per_dim + recorded[model].tolerance:
            known = recorded[model]
            found.append(
                f"{model} learnt less than recorded: {figure:.3f} bits/dim after {known.steps} steps, "
                f"recorded {known.bits_per_dim:.3f}, tolerance {known.tolerance}"
            )
    return found


def read_record() -> dict[str, Learnt]:
    """Return the recorded figures by model."""
    return {model: Learnt(**each) for model, each in json.loads(RECORD.read_text("utf-8")).items()}


def _flowzoo(*arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "flowzoo", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"flowzoo {' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout


def _timed(model: str) -> tuple[str, float]:
    start = time.monotonic()
    figure = learn(model)
    print(f"{model:16} {figure:.3f} bits/dim, {time.monotonic() - start:.0f} seconds", flush=True)
    return model, figure


def main(arguments: list[str] | None = None) -> int:
    """Train the models and return how many are at fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="Record what is reached now.")
    parser.add_argument("--models", default="*", help="Names of models, with shell wildcards.")
    parser.add_argument("--jobs", type=int, default=2, help="Number of models to train at the same time.")
    given: Any = parser.parse_args(arguments)
    models = list_models(given.models)
    with ThreadPoolExecutor(given.jobs) as pool:
        reached = dict(pool.map(_timed, models))
    recorded = read_record() if RECORD.exists() else {}
    if given.record:
        recorded |= {model: Learnt(round(figure, 4)) for model, figure in reached.items()}
        text = json.dumps({model: asdict(each) for model, each in sorted(recorded.items())}, indent=2)
        RECORD.write_text(text + "\n", encoding="utf-8")
    wrong = faults(reached, recorded)
    print(*wrong, sep="\n", file=sys.stderr)
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
