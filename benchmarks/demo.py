"""Train a small configuration of every family on digits, half a minute each, beside closed-form Gaussians.

    python benchmarks/demo.py --out demo

Writes the run folders, a table (``table.txt``) and pictures of samples beside real digits.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from flowzoo.cli.progress import TrainingBar, clock
from flowzoo.data.dataset import Dataset
from flowzoo.data.load import load_dataset
from flowzoo.dequantisation import dequantise
from flowzoo.device import prepare_device
from flowzoo.evaluation.floor import fit_gaussian
from flowzoo.evaluation.likelihood import evaluate_likelihood
from flowzoo.evaluation.report import Evaluation, evaluate_run
from flowzoo.pictures import save_grid
from flowzoo.registry.saving import load_model
from flowzoo.runfolder import RunFolder
from flowzoo.training.budget import Budget
from flowzoo.training.start import start_run


@dataclass(frozen=True)
class Entry:
    """A row of the table: a model, and what differs from its defaults."""

    name: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    pixels: Mapping[str, Any] | None = None


AFFINE = {"name": "affine"}
SMALL_CNF = {"blocks": 1, "network": {"hidden": 32}}
MATCHING = {"learning_rate": 2e-3}  # three times as much in flow matching
COUPLING = {"learning_rate": 2e-3}

ENTRIES = (
    Entry("realnvp", "realnvp", training=COUPLING),
    Entry("glow", "glow", training=COUPLING),
    Entry("realnvp, splines", "realnvp", {"joint": "spline", "last": "spline"}, COUPLING),
    Entry("lcma", "lcma", training=COUPLING),
    Entry("pnf", "pnf", training=COUPLING),
    Entry("wavelet-flow", "wavelet-flow", training={"learning_rate": 1e-2}),
    Entry("msflow-wavelet", "msflow-wavelet", training=MATCHING),
    Entry("mrcnf", "mrcnf", training=MATCHING),
    Entry("msflow-image", "msflow-image", {"levels": 2}, MATCHING),
    Entry("ffjord", "ffjord", {"bijector": SMALL_CNF}, MATCHING),
    Entry("rnode", "rnode", {"bijector": SMALL_CNF}, MATCHING),
    Entry("rnode, steer", "rnode", {"bijector": {**SMALL_CNF, "steer": 0.5}}, MATCHING),
    Entry(
        "msflow-image, as published",
        "msflow-image",
        {"levels": 2, "transform": {"proposal": "uniform"}},
        MATCHING,
        AFFINE,
    ),
)
FLOORS = (
    AFFINE,
    {"name": "logit", "alpha": 0.05},
    {"name": "logit", "alpha": 1e-3},
    {"name": "logit", "alpha": 1e-5},
)


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder to write; made anew")
    parser.add_argument("--seconds", type=float, default=34.0, help="training time of each model")
    arguments = parser.parse_args()
    began = time.monotonic()
    prepare_device("cpu")
    torch.set_num_threads(1)  # on images this small a second thread waits more than it works
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    digits = load_dataset("digits")
    table = Table("model", "pixels", "test bits/dim", "parameters", "seconds", "steps", "trace", box=None)
    for column in table.columns[3:6]:
        column.justify = "right"
    for pixels in FLOORS:
        found = evaluate_likelihood(fit_gaussian(digits, pixels), digits.split("test"))
        figure = _plus_minus(found.bits_per_dim, found.standard_error)
        table.add_row("gaussian", _pixels(pixels), figure, "-", "-", "-", "-")
    joint: list[str] = []
    for entry in ENTRIES:
        result = _train(entry, arguments.out, arguments.seconds)
        table.add_row(
            entry.name,
            _pixels(result.pixels),
            _plus_minus(result.bits_per_dim, result.standard_error),
            f"{result.parameters:,}",
            f"{result.training_seconds:.0f}",
            str(result.training_steps),
            result.trace,
        )
        if result.joint_bits_per_dim is not None:
            joint.append(f"  {entry.name}: joint_bpd {result.joint_bits_per_dim:.3f}")
    text = _write(arguments.out / "table.txt", table, joint)
    _draw_real(digits, arguments.out / "real.png")
    print(f"\n{text}\npictures of samples: {arguments.out}/*.png; in all {clock(time.monotonic() - began)}")


def _train(entry: Entry, out: Path, seconds: float) -> Evaluation:
    """Train and evaluate one entry, and draw samples."""
    print(f"training {entry.name} on digits for {seconds:g} s", flush=True)
    file = entry.name.replace(", ", "-").replace(" ", "-")
    folder = out / file
    with TrainingBar() as bar:
        start_run(
            folder,
            entry.model,
            "digits",
            budget=Budget(seconds=seconds),
            options=entry.options,
            pixels=entry.pixels,
            training=entry.training,
            device="cpu",
            reporter=bar,
        )
    flow = load_model(RunFolder(folder).model)
    save_grid(flow.sample(64, seed=0), out / f"{file}.png", flow.bins)
    return evaluate_run(folder, exact=False, floor=False, batch_size=300, device="cpu")


def _write(path: Path, table: Table, joint: list[str]) -> str:
    """Write the table, with the figures that are no likelihoods below it, and return it."""
    with path.open("w", encoding="utf-8") as file:
        console = Console(file=file, width=120)
        console.print(table)
        console.print()
        console.print("Not a bound on the likelihood of images, and not to be compared with the above:")
        console.print("\n".join(joint))
    return path.read_text(encoding="utf-8")


def _draw_real(digits: Dataset, path: Path) -> None:
    save_grid(dequantise(digits.split("test").take(range(64)), digits.info.bins), path, digits.info.bins)


def _pixels(pixels: Mapping[str, Any]) -> str:
    name, alpha = pixels["name"], pixels.get("alpha")
    return name if alpha is None else f"{name} {alpha:g}"


def _plus_minus(bits: float, error: float | None) -> str:
    return f"{bits:.3f} ± {error:.3f}"


if __name__ == "__main__":
    main()
