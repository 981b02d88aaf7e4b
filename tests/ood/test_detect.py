"""Scores against what they are defined by, on a model whose likelihood is known in closed form."""

from __future__ import annotations

import dataclasses
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import flowzoo
from flowzoo.cli.app import app
from flowzoo.coding.codes import code_lengths
from flowzoo.data.dataset import TensorImages
from flowzoo.errors import NumericalError, OptionError, ShapeError
from flowzoo.ood.detect import Detection, detect_ood
from flowzoo.ood.histograms import plot_scores
from flowzoo.ood.others import other_images
from flowzoo.terms import FlowTerms


@pytest.fixture(scope="module")
def model() -> flowzoo.Flow:
    flow = flowzoo.create_model("glow", (1, 8, 8), bins=17, seed=0, levels=2)
    data = flowzoo.load_dataset("digits")
    flow.initialise([data["train"][:200]])
    with torch.no_grad():
        for each in flow.parameters():
            each.add_(0.03 * torch.randn(each.shape, generator=torch.Generator().manual_seed(1)))
    return flow


@pytest.fixture(scope="module")
def found(model: flowzoo.Flow) -> Detection:
    return detect_ood(model, ["noise", "constant"], "digits", images=40, training_images=50, batch=5)


def test_scores_are_what_they_are_defined_by(model: flowzoo.Flow, found: Detection) -> None:
    data = flowzoo.load_dataset("digits")
    places = [int(each * len(data["test"]) / 40) for each in range(40)]
    images = data["test"].take(places)
    bits = model.bits_per_dim(images, indices=places).detach().double().numpy()
    scores = {each.name: each.own for each in found.against[0].scores}
    assert list(scores) == [
        "likelihood",
        "typicality",
        "typicality of 5",
        "likelihood + png",
        "likelihood + webp",
        "level 0",
        "level 1",
        "gradient",
    ]
    np.testing.assert_allclose(scores["likelihood"], -bits, rtol=1e-5)
    np.testing.assert_allclose(
        scores["typicality"], -abs(bits - found.training_bits_per_dim), rtol=1e-3, atol=1e-5
    )
    lengths = code_lengths(images, "png")
    np.testing.assert_allclose(scores["likelihood + png"], lengths - 64 * bits, rtol=1e-4)
    assert len(scores["typicality of 5"]) == 8
    assert scores["typicality of 5"].mean() > scores["typicality"].mean()

    x, _ = model.dequantise(images[:1], flowzoo.Call(generator=_of_image(0)))
    x = x.requires_grad_()
    model.log_prob(x).sum().backward()
    assert x.grad is not None
    assert scores["gradient"][0] == pytest.approx(-float(x.grad.norm()), rel=1e-4)


def test_levels_and_pixels_make_the_whole(model: flowzoo.Flow, found: Detection) -> None:
    images = flowzoo.load_dataset("digits")["test"].take([0])
    x, _ = model.dequantise(images, flowzoo.Call(generator=_of_image(0)))
    pixels = float(model.terms(x).pixels) / 64 / np.log(2)
    scores = {each.name: each.own[0] for each in found.against[0].scores}
    whole = scores["level 0"] + scores["level 1"] + pixels - np.log2(17)
    assert whole == pytest.approx(scores["likelihood"], rel=1e-4)


def test_noise_is_told_apart(found: Detection) -> None:
    noise, constant = found.against
    assert (noise.other, constant.other) == ("noise", "constant")
    assert noise.scores[0].separation.auroc.value > 0.95
    assert found.split == "test"
    assert found.images == 40


def test_lengths_are_those_of_the_files() -> None:
    flat = torch.zeros(1, 1, 16, 16, dtype=torch.uint8)
    noisy = torch.randint(256, (1, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for code in ("png", "webp"):
        assert code_lengths(flat, code)[0] < code_lengths(noisy, code)[0]
    assert code_lengths(noisy, "png")[0] >= 8 * 256  # noise cannot be made shorter
    assert code_lengths(flat, "png")[0] < 8 * (120 + len(zlib.compress(bytes(272))))


def test_an_image_without_a_finite_likelihood_counts_as_the_least_likely(
    model: flowzoo.Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = flowzoo.Flow.terms

    def failing(flow: flowzoo.Flow, x: torch.Tensor, call: flowzoo.Call) -> FlowTerms:
        if bool((x.mean((1, 2, 3)) < 0.06).any()):
            raise NumericalError("log p(x) is not finite for image(s) [0] of the batch")
        return terms(flow, x, call)

    monkeypatch.setattr(flowzoo.Flow, "terms", failing)
    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    images[1] = 8
    found = detect_ood(model, images, "digits", images=20, training_images=20)
    (against,) = found.against
    assert against.not_finite == 3
    assert np.isfinite(against.scores[0].other).tolist() == [False, True, False, False]
    assert np.isfinite(against.scores[0].own).all()
    assert against.bits_per_dim == pytest.approx(-against.scores[0].other[1])


def test_other_shapes_are_scaled_when_asked(model: flowzoo.Flow) -> None:
    wide = np.full((3, 3, 20, 12), 255, dtype=np.uint8)
    dataset = flowzoo.load_dataset("digits")
    other = flowzoo.Dataset(
        type(dataset.info)(**{**vars(dataset.info), "name": "wide", "shape": (3, 20, 12), "bins": 256}),
        {"test": type(dataset["test"])(torch.from_numpy(wide))},
    )
    with pytest.raises(ShapeError, match=r"images of wide are 3x20x12 with 256 bins.*add --fit"):
        other_images(other, model, 5, False, 0)
    name, source = other_images(other, model, 5, True, 0)
    assert name == "wide, scaled"
    assert source.take([0, 2]).shape == (2, 1, 8, 8)
    assert int(source.take([1]).min()) == 16  # white stays white


def test_nothing_to_compare_with_is_refused(model: flowzoo.Flow) -> None:
    with pytest.raises(OptionError, match="name at least one other set"):
        detect_ood(model, [], "digits")


def test_the_command(model: flowzoo.Flow, tmp_path: Path) -> None:
    flowzoo.save_model(model, tmp_path / "model")
    run = [str(tmp_path / "model"), "--data", "digits", "--images", "12", "--training-images", "12"]
    plot = tmp_path / "scores.png"
    shown = CliRunner().invoke(app, ["ood", *run, "--against", "noise", "--plot", str(plot)])
    assert shown.exit_code == 0, shown.output
    assert "against 12 images of noise" in shown.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")

    shown = CliRunner().invoke(app, ["ood", *run, "--against", "constant", "--json", "--no-gradient"])
    (against,) = json.loads(shown.stdout)["against"]
    assert against["scores"][0].keys() == {"name", "separation"}

    few = [*run[:3], "--images", "2", "--training-images", "2", "--batch", "1", "--no-gradient"]
    shown = CliRunner().invoke(app, ["ood", *few, "--against", "noise"])
    assert "no interval for any score" in shown.stdout
    assert " to " not in shown.stdout.split("noise", 1)[1]

    shown = CliRunner().invoke(app, ["ood", *run, "--against", "lfw-subsett"])
    assert shown.exit_code == 2
    assert "'lfw-subsett'" in shown.stderr
    assert "noise and constant" in shown.stderr
    shown = CliRunner().invoke(app, ["ood", *run, "--against", "photos"])
    assert shown.exit_code == 2
    assert "add --fit" in shown.stderr


def _of_image(index: int) -> tuple[torch.Generator, ...]:
    from flowzoo.call import per_image_generators

    return per_image_generators(0, [index])


def test_a_huge_number_of_images_is_that_of_the_own_images(model: flowzoo.Flow) -> None:
    own = np.zeros((3, 1, 8, 8), dtype=np.uint8)
    data = flowzoo.load_dataset("digits")
    small = dataclasses.replace(data, splits={**data.splits, "test": TensorImages(torch.from_numpy(own))})
    found = detect_ood(model, "noise", small, images=10**30, training_images=2, gradient=False)
    assert found.images == found.against[0].images == 3


def test_a_gradient_that_is_not_a_number_is_the_least_likely(
    model: flowzoo.Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = torch.autograd.grad

    def spoilt(output: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (true(output, x)[0] * torch.nan,)

    monkeypatch.setattr(torch.autograd, "grad", spoilt)
    found = detect_ood(model, "noise", "digits", images=2, training_images=2, batch=1)
    (score,) = [each for each in found.against[0].scores if each.name == "gradient"]
    assert np.isneginf(score.own).all()
    assert np.isneginf(score.other).all()
    assert score.separation.auroc.value == 0.5


def test_a_picture_of_scores_that_are_all_infinite(found: Detection, tmp_path: Path) -> None:
    nowhere = np.full(3, -np.inf)
    score = dataclasses.replace(found.against[0].scores[0], own=nowhere, other=nowhere)
    against = dataclasses.replace(found.against[0], scores=(score,))
    plot_scores(dataclasses.replace(found, against=(against,)), tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 0
