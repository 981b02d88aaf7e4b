"""Images that are not square go all the way: training, evaluation, samples and up-scaling of 8x12 images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from flowzoo.cli.app import app
from flowzoo.registry.loader import default_registry
from flowzoo.testing import trial_of
from flowzoo.testing.models import Model

TINY = [
    *("--set", "bijector.name=glow", "--set", "bijector.steps=1"),
    *("--set", "bijector.network.hidden=4"),
    *("--set", "training.validation_images=8"),
]


def flowzoo(*arguments: str | Path) -> None:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for place in range(40):
        pixels = np.random.default_rng(place).integers(0, 256, (8, 12), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{place:02}.png")
    return folder


def test_a_model_of_oblong_images_trains_evaluates_samples_and_scales(pictures: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    data = ["--data", "images", "--set", f"data.root={pictures}"]
    flowzoo(
        *("train", "msflow-wavelet", "--steps", "2", "--out", run, *data),
        *("--set", "data.size=[8, 12]", "--set", "data.channels=1", "--set", "levels=2", *TINY),
    )
    flowzoo("evaluate", run, "--audit-seconds", "1")
    assert (run / "evaluation-test.json").is_file()
    flowzoo("sample", run, "-n", "6", "-o", tmp_path / "samples.png")
    with Image.open(tmp_path / "samples.png") as grid:  # enlarged eightfold: three a row, gaps of two pixels
        assert grid.size == (3 * (8 * 12 + 2) + 2, 2 * (8 * 8 + 2) + 2)
    flowzoo("upscale", run, "--images", "2", "--draws", "1", "-o", tmp_path / "up.png")


@pytest.mark.parametrize("name", [each.name for each in default_registry().components("model")])
def test_every_model_takes_oblong_images(name: str) -> None:
    trial = trial_of("model", name)
    shape = (trial.check.shape[0], 8, 12)
    flow = Model.ready(trial.with_check(shape=shape)).module
    x = torch.rand(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert flow.log_prob(x).isfinite().all()
    torch.testing.assert_close(flow.decode(flow.encode(x)), x, atol=0.01, rtol=0)
    assert flow.sample(2, seed=0).shape == (2, *shape)
