"""Train two families on digits for a minute each, and show what they reach beside the closed-form Gaussians.

    python benchmarks/demo.py --out demo

Writes the two run folders, a table (``table.txt``) and pictures of samples beside real digits.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from flowzoo.cli.progress import TrainingBar, clock
from flowzoo.data.load import load_dataset
from flowzoo.dequantisation import dequantise
from flowzoo.device import prepare_device
from flowzoo.evaluation.floor import fit_gaussian
from flowzoo.evaluation.likelihood import evaluate_likelihood
from flowzoo.evaluation.report import evaluate_run
from flowzoo.pictures import save_grid
from flowzoo.registry.saving import load_model
from flowzoo.runfolder import RunFolder
from flowzoo.training.budget import Budget
from flowzoo.training.start import start_run

MODELS = ("msflow-wavelet", "mrcnf")
TRAINING = {"learning_rate": 5e-3}  # flow matching on tiny images bears more than the default
FLOORS = (
    {"name": "affine"},
    {"name": "logit", "alpha": 0.05},
    {"name": "logit", "alpha": 1e-3},
    {"name": "logit", "alpha": 1e-5},
)


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder to write; made anew")
    parser.add_argument("--seconds", type=float, default=70.0, help="training time of each model")
    parser.add_argument(
        "--exact", action="store_true", help="evaluate with the exact trace, which takes longer"
    )
    arguments = parser.parse_args()
    began = time.monotonic()
    prepare_device("cpu")
    torch.set_num_threads(1)  # on images this small a second thread waits more than it works
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    digits = load_dataset("digits")
    table = Table("model", "pixels", "test bits/dim", "parameters", "training", "trace", box=None)
    for pixels in FLOORS:
        found = evaluate_likelihood(fit_gaussian(digits, pixels), digits.split("test"))
        table.add_row(
            "gaussian",
            " ".join(f"{value:g}" if isinstance(value, float) else value for value in pixels.values()),
            f"{found.bits_per_dim:.3f} ± {found.standard_error:.3f}",
            "-",
            "closed form",
            "-",
        )
    for name in MODELS:
        folder = arguments.out / name
        print(f"training {name} on digits for {arguments.seconds:g} s", flush=True)
        with TrainingBar() as bar:
            record = start_run(
                folder,
                name,
                "digits",
                budget=Budget(seconds=arguments.seconds),
                training=TRAINING,
                device="cpu",
                reporter=bar,
            )
        result = evaluate_run(folder, exact=arguments.exact, floor=False, batch_size=300, device="cpu")
        table.add_row(
            name,
            " ".join(f"{value:g}" if isinstance(value, float) else value for value in result.pixels.values()),
            f"{result.bits_per_dim:.3f} ± {result.standard_error:.3f}",
            f"{result.parameters:,}",
            f"{record.steps} steps, {clock(record.seconds)}",
            result.trace,
        )
        flow = load_model(RunFolder(folder).model)
        save_grid(flow.sample(64, seed=0), arguments.out / f"{name}.png", flow.bins)
    real = dequantise(digits.split("test").take(range(64)), digits.info.bins)
    save_grid(real, arguments.out / "real.png", digits.info.bins)
    with (arguments.out / "table.txt").open("w", encoding="utf-8") as file:
        Console(file=file, width=110).print(table)
    print()
    print((arguments.out / "table.txt").read_text(encoding="utf-8"))
    pictures = ", ".join(str(arguments.out / f"{name}.png") for name in (*MODELS, "real"))
    print(f"pictures of samples: {pictures}")
    print(f"in all {clock(time.monotonic() - began)}")


if __name__ == "__main__":
    main()
