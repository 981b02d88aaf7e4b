"""Figures of samples against their definitions, and the command ``temperature``."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import flowzoo
from flowzoo.api import NumericalError, OptionError
from flowzoo.cli.app import app
from flowzoo_frechet.features import ImportedFeatures
from flowzoo_frechet.metric import distance_to
from flowzoo_frechet.quality import quality_beside
from flowzoo_frechet.sweep import sweep


class Corners(nn.Module):
    """Eight values of an image, as they are."""

    def forward(self, images: Tensor) -> Tensor:
        return images.float()[:, 0, 2:4, 2:6].flatten(1)


FEATURES = f"{__name__}:Corners"


@pytest.fixture(scope="module")
def features() -> ImportedFeatures:
    return ImportedFeatures(FEATURES, (1, 8, 8))


@pytest.fixture(scope="module")
def model() -> flowzoo.Flow:
    flow = flowzoo.create_model("realnvp", (1, 8, 8), bins=17, levels=2, seed=0)
    flow.initialise([flowzoo.load_dataset("digits")["train"][:200]])
    return flow


def images_of(seed: int, count: int = 40) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(17, (count, 1, 8, 8), dtype=torch.uint8, generator=generator)


def test_figures_are_what_they_are_defined_by(features: ImportedFeatures) -> None:
    real, drawn = images_of(0), images_of(1)
    found = quality_beside(features, [real[:30], real[30:]])(features(drawn))

    assert found.frechet == pytest.approx(distance_to(features, [real])([drawn]), rel=1e-3)
    x, y = features(real), features(drawn)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    pairs = 40 * 39
    within = [(kernel(each, each).sum() - kernel(each, each).diag().sum()) / pairs for each in (x, y)]
    assert found.kid == pytest.approx(float(sum(within) - 2 * kernel(x, y).mean()), rel=1e-3)

    def share_within(points: Tensor, centres: Tensor) -> float:
        inside = 0
        for point in points:
            for centre in centres:
                radius = sorted(float((centre - each).norm()) for each in centres)[3]
                if float((point - centre).norm()) <= radius:
                    inside += 1
                    break
        return inside / len(points)

    assert found.precision == pytest.approx(share_within(y, x))
    assert found.recall == pytest.approx(share_within(x, y))


def test_the_same_images_are_perfect_and_others_far_away(features: ImportedFeatures) -> None:
    quality = quality_beside(features, [images_of(0)])
    same, far = quality(features(images_of(0))), quality(features(images_of(0)) + 1000)
    assert (same.precision, same.recall) == (1.0, 1.0)
    assert (far.precision, far.recall) == (0.0, 0.0)
    assert same.frechet < 1e-3 < far.frechet
    with pytest.raises(NumericalError, match="of some samples are not finite"):
        quality(features(images_of(0)) * torch.nan)


def test_a_level_alone_leaves_the_others_at_temperature_1(
    model: flowzoo.Flow, features: ImportedFeatures
) -> None:
    data = flowzoo.load_dataset("digits")
    rows = sweep(model, data, features, [0.5, 1.0], [None, 0, 1], images=30)
    at_one = {row.quality for row in rows if row.temperature == 1.0}
    assert len(at_one) == 1
    assert len({row.quality for row in rows if row.temperature == 0.5}) == 3

    drawn = model.sample(30, temperature=[1.0, 0.5], seed=0)  # coarsest first
    test = data["test"][:30]
    expected = quality_beside(features, [test])(features(flowzoo.api.quantise(drawn, 17)))
    (finest,) = [row.quality for row in rows if (row.level, row.temperature) == (0, 0.5)]
    assert finest == expected


def test_what_cannot_be_is_refused(model: flowzoo.Flow, features: ImportedFeatures) -> None:
    data = flowzoo.load_dataset("digits")
    with pytest.raises(OptionError, match="temperature 0: it must be above 0"):
        sweep(model, data, features, [1.0, 0.0])
    with pytest.raises(OptionError, match="there is no level 2: the model has 2"):
        sweep(model, data, features, [1.0], [2])


def test_the_command(model: flowzoo.Flow, tmp_path: Path) -> None:
    flowzoo.save_model(model, tmp_path / "model")
    asked = ["temperature", str(tmp_path / "model"), "--data", "digits", "--images", "20"]
    plot = tmp_path / "curves.png"
    shown = CliRunner().invoke(
        app, [*asked, "--features", FEATURES, "--temperatures", "0.8,1", "--by-level", "--plot", str(plot)]
    )
    assert shown.exit_code == 0, shown.output
    assert [line.split()[0] for line in shown.stdout.splitlines()[1:7]] == ["all"] * 2 + ["level"] * 4
    assert plot.read_bytes().startswith(b"\x89PNG")

    shown = CliRunner().invoke(app, [*asked, "--temperatures", "1,1e30"])
    assert shown.exit_code == 2
    assert "temperature 1e+30: it must be above 0 and at most 10" in shown.stderr
    shown = CliRunner().invoke(app, [*asked, "--temperatures", "warm"])
    assert shown.exit_code == 2
    assert "--temperatures is 'warm'. Give numbers" in shown.stderr


def test_a_picture_that_cannot_be_written_is_refused_first(model: flowzoo.Flow, tmp_path: Path) -> None:
    flowzoo.save_model(model, tmp_path / "model")
    asked = ["temperature", str(tmp_path / "model"), "--data", "digits", "--features", FEATURES]
    shown = CliRunner().invoke(app, [*asked, "--plot", str(tmp_path / "none" / "p.png")])
    assert shown.exit_code == 2
    assert "none" in shown.stderr
    assert "frechet" not in shown.stdout
