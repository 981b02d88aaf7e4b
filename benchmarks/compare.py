"""Configurations at equal budget, over seeds, with intervals: what the comparisons of this folder share.

A finished run is not repeated, and an interrupted one goes on, when the same command is given again.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from scipy import stats

from flowzoo.cli.progress import TrainingBar
from flowzoo.device import prepare_device
from flowzoo.evaluation.report import evaluate_run
from flowzoo.runfolder import RunFolder
from flowzoo.training.budget import Budget
from flowzoo.training.start import resume_run, start_run


@dataclass(frozen=True)
class Configuration:
    """A model with options, under a name for the table."""

    name: str
    model: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """What is compared, on which data, with which budget."""

    title: str
    configurations: Sequence[Configuration]
    data: str
    data_options: Mapping[str, Any]
    training: Mapping[str, Any]
    steps: int
    images: int


def main(description: str, comparison: Comparison) -> None:
    """Run a comparison from the command line."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and the table")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each configuration")
    parser.add_argument("--steps", type=int, default=comparison.steps, help="budget of a run")
    arguments = parser.parse_args()
    prepare_device("cpu")
    torch.set_num_threads(1)
    figures: dict[str, list[float]] = {each.name: [] for each in comparison.configurations}
    facts: dict[str, tuple[int, float]] = {}
    for seed in range(arguments.seeds):
        for each in comparison.configurations:
            folder = arguments.out / f"{each.name}-{seed}"
            print(f"{each.name}, seed {seed}", flush=True)
            found = _run(folder, each, comparison, arguments.steps, seed)
            figures[each.name].append(found["bits_per_dim"])
            facts[each.name] = found["parameters"], found["training_seconds"]
            _write(arguments.out, comparison, arguments.steps, figures, facts)
    print((arguments.out / "table.txt").read_text(encoding="utf-8"))


def _run(
    folder: Path, configuration: Configuration, comparison: Comparison, steps: int, seed: int
) -> dict[str, Any]:
    with TrainingBar() as bar:
        if not (folder / "run.json").exists():
            start_run(
                folder,
                configuration.model,
                comparison.data,
                budget=Budget(steps=steps),
                options=configuration.options,
                data_options=comparison.data_options,
                training=comparison.training,
                seed=seed,
                device="cpu",
                reporter=bar,
            )
        elif RunFolder(folder).read().status == "running":
            resume_run(folder, device="cpu", reporter=bar)
    result = folder / "evaluation-test.json"
    if not result.exists():
        evaluate_run(folder, images=comparison.images, floor=False, device="cpu")
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return found


def _write(
    out: Path,
    comparison: Comparison,
    steps: int,
    figures: Mapping[str, list[float]],
    facts: Mapping[str, tuple[int, float]],
) -> None:
    """Write the table: means with 95 % intervals of Student's t over seeds, and paired differences."""
    first = comparison.configurations[0].name
    table = Table(
        "configuration", "bits/dim", f"minus {first}", "by seed", "parameters", "seconds a run", box=None
    )
    for name, values in figures.items():
        if not values:
            continue
        pairs = [value - base for value, base in zip(values, figures[first], strict=False)]
        table.add_row(
            name,
            _interval(values),
            "" if name == first else _interval(pairs),
            "  ".join(f"{value:.3f}" for value in values),
            f"{facts[name][0]:,}",
            f"{facts[name][1]:.0f}",
        )
    with (out / "table.txt").open("w", encoding="utf-8") as file:
        console = Console(file=file, width=120)
        console.print(comparison.title)
        console.print(
            f"{comparison.data} {dict(comparison.data_options)}, {steps} steps of "
            f"{comparison.training.get('batch_size', 64)} images, first {comparison.images} test images, "
            "mean and 95 % interval over seeds"
        )
        console.print(table)


def _interval(values: Sequence[float]) -> str:
    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{mean:.3f}"
    spread = statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:.3f} ± {stats.t.ppf(0.975, len(values) - 1) * spread:.3f}"
