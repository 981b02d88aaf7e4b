"""Trains and measures the models that this distribution ships, and puts them into its package.

    python plugins/weights/make.py              # all
    python plugins/weights/make.py mrcnf.digits # one

Each is trained by ``flowzoo train`` and measured by ``flowzoo evaluate``: on digits in a minute of one core,
with the settings of the suite ``quick``, and on Fashion-MNIST in half an hour.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PRETRAINED = Path(__file__).parent / "src/flowzoo_weights/pretrained"
VALIDATIONS = ["--set", "training.validations=10", "--set", "training.validation_images=150"]
TRAININGS = {
    "glow.digits": ["glow", "--steps", "600", "--set", "training.learning_rate=2e-3"],
    "mrcnf.digits": ["mrcnf", "--steps", "450", "--set", "training.learning_rate=1e-3"],
    "wavelet-flow.fashion_mnist": [
        *["wavelet-flow", "--steps", "1500", "--set", "training.learning_rate=5e-3"],
        *["--set", "training.batch_size=32"],
    ],
    "wavelet-flow.digits": ["wavelet-flow", "--steps", "400", "--set", "training.learning_rate=1e-2"],
}
"""The training of each model, as arguments of ``flowzoo train``."""


def make(name: str) -> None:
    """Train and measure a model, and replace what the package has of it."""
    data = name.partition(".")[2].replace("_", "-")
    with tempfile.TemporaryDirectory() as work:
        run, draft = Path(work) / "run", Path(work) / "model"
        flowzoo("train", *TRAININGS[name], *VALIDATIONS, "--data", data, "--out", str(run), "--device", "cpu")
        shutil.copytree(run / "model", draft)
        evaluation = draft / "evaluation-test.json"
        flowzoo("evaluate", str(run), "--device", "cpu", "--output", str(evaluation))
        shutil.rmtree(PRETRAINED / name, ignore_errors=True)
        shutil.copytree(draft, PRETRAINED / name)


def flowzoo(*arguments: str) -> None:
    """Call a command of flowzoo's."""
    subprocess.run([sys.executable, "-m", "flowzoo", *arguments], check=True)


if __name__ == "__main__":
    for each in sys.argv[1:] or TRAININGS:
        make(each)
