"""Several processes that compute a step together train the model that one trains alone."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from flowzoo.errors import OptionError
from flowzoo.experiment.parse import parse_experiment
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.runfolder import RunFolder
from flowzoo.training.log import TrainingLog
from flowzoo.training.stage import plan_stages
from flowzoo.training.start import resume_run, start_run
from flowzoo.training.step import TrainingStep
from flowzoo.training.together.launch import Launch, launch
from flowzoo.training.together.team import Team
from flowzoo.warm_start import WarmStart
from tests.training.conftest import TINY
from tests.training.launched import gradient, run, together

KILLS = int(os.environ.get("FLOWZOO_KILLS", "2"))

GLOW = {"levels": 1, "last": {"steps": 1, "network": {"hidden": 4}}}
ADAPTIVE = {**TINY, "bijector": {**TINY["bijector"], "objective": "likelihood", "steer": 0.5}}
TRAINING = {"batch_size": 4, "accumulate": 4, "validations": 3, "validation_images": 16}


@pytest.mark.parametrize(
    ("model", "options", "count"), [("glow", GLOW, 2), ("glow", GLOW, 4), ("mrcnf", ADAPTIVE, 2)]
)
def test_the_gradient_is_that_of_one_process(
    tmp_path: Path, model: str, options: dict[str, Any], count: int
) -> None:
    with together(count, tmp_path / "printed", gradient, model, options, tmp_path):
        gradient(model, options, tmp_path)
    expected = load_file(tmp_path / "1-0.safetensors")
    scale = float(torch.cat([each.reshape(-1) for each in expected.values()]).abs().max())
    for rank in range(count):
        found = load_file(tmp_path / f"{count}-{rank}.safetensors")
        assert found.keys() == expected.keys()
        for name, each in expected.items():
            torch.testing.assert_close(found[name], each, rtol=1e-6, atol=1e-6 * scale)


def settings(steps: int = 9, **training: Any) -> list[str]:
    """Return the arguments of a tiny Glow, which has ActNorm and whitens its images."""
    given = {**GLOW, "training": {**TRAINING, **training}}
    chosen = [each for name, value in given.items() for each in ("--set", f"{name}={json.dumps(value)}")]
    return ["train", "glow", "--data", "digits", "--steps", str(steps), "--device", "cpu", *chosen]


def alone(folder: Path, steps: int = 9, **training: Any) -> Path:
    """Train the same in this process."""
    asked = {"model": "glow", "data": "digits", "budget": {"steps": steps}, "options": GLOW}
    start_run(folder, parse_experiment({**asked, "training": {**TRAINING, **training}}), device="cpu")
    return folder


def tensors(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "checkpoint.safetensors")


def assert_alike(first: Path, second: Path) -> None:
    """Compare weights, averages and optimiser up to rounding, and the figures of all validations."""
    ours, theirs = tensors(first), tensors(second)
    assert ours.keys() == theirs.keys()
    for name, each in ours.items():
        torch.testing.assert_close(each, theirs[name], rtol=1e-4, atol=1e-5, msg=name)
    records = [TrainingLog(folder / "log.jsonl").read() for folder in (first, second)]
    figures = [[each.get("validation_bits_per_dim") for each in found] for found in records]
    assert figures[0] == pytest.approx(figures[1], abs=1e-5)
    assert [each["step"] for each in records[0]] == [each["step"] for each in records[1]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of one process."""
    return alone(tmp_path_factory.mktemp("one") / "run")


def test_two_processes_train_what_one_trains_and_write_it_once(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    codes, lines = run(2, tmp_path / "printed", *settings(), "--out", str(folder))
    assert codes == [0, 0], lines
    assert_alike(whole, folder)
    unchanged = [name for name in tensors(whole) if "whiten" in name]
    assert unchanged
    assert all(torch.equal(tensors(whole)[name], tensors(folder)[name]) for name in unchanged)
    assert [line.split(":")[0] for line in lines if line.startswith(("data", "trained", "next"))] == [
        "data",
        "trained glow on digits",
        "next",
    ]
    assert (RunFolder(folder).read().processes, RunFolder(whole).read().processes) == (2, 1)
    assert sorted(each.name for each in folder.iterdir()) == sorted(each.name for each in whole.iterdir())
