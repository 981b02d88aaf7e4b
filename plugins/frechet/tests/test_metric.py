"""Distances against SciPy's matrix root, and what they are distances of."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
import torchmetrics.image.fid
from torch import Tensor, nn

import flowzoo
from flowzoo.api import DataError, NumericalError, OptionError, Trained, quantise
from flowzoo.data.load import load_dataset
from flowzoo.registry.build import build_component
from flowzoo.testing.metrics import tiny_trained
from flowzoo_frechet import features as feature_networks
from flowzoo_frechet.features import ImportedFeatures, InceptionFeatures
from flowzoo_frechet.metric import distance_to
from flowzoo_frechet.trained_features import TrainedFeatures

HERE = __name__


class Corners(nn.Module):
    """The first rows' values of an image, as they are, in single precision."""

    def forward(self, images: Tensor) -> Tensor:
        return images.float()[:, 0, 2:4].flatten(1)


class Projection(nn.Module):
    """Twelve random directions."""

    def forward(self, images: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return images.flatten(1).double() @ torch.randn(64, 12, generator=generator).double()


class Broken(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.float().flatten(1) * torch.nan


class Mixing(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.float().flatten(1)[:1]


def expected_distance(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float:
    """Return the Fréchet distance between Gaussians fitted to rows of features, by SciPy."""
    root = scipy.linalg.sqrtm(np.cov(first.T) @ np.cov(second.T))
    shift = np.square(first.mean(0) - second.mean(0)).sum()
    return float(shift + np.trace(np.cov(first.T) + np.cov(second.T) - 2 * root.real))


def split(name: str, count: int) -> Tensor:
    return load_dataset("digits").split(name).take(range(count))


def gaussian(images: Tensor) -> Trained:
    """Return a Gaussian that is fitted to integer images."""
    flow = flowzoo.create_model("gaussian", (1, 8, 8), bins=17, pixels="affine", seed=0)
    flow.initialise([(images + 0.5) / 17])
    return Trained(flow, load_dataset("digits"), training={}, log=(), steps=0, seconds=0.0, seed=0)


@pytest.fixture(scope="module")
def fitted() -> Trained:
    """A model of the digits."""
    return gaussian(split("train", 300))


def test_distances_are_scipy_s() -> None:
    features = ImportedFeatures(f"{HERE}:Projection", (1, 8, 8))
    test, train = split("test", 200), split("train", 150)

    to_test = distance_to(features, test.split(70))

    rows = [features(images).numpy() for images in (test, train)]
    assert to_test(train.split(40)) == pytest.approx(expected_distance(*rows), rel=1e-6)
    assert to_test([test]) == pytest.approx(0, abs=1e-6)
    assert to_test(train.split(40)) == pytest.approx(expected_distance(*rows), rel=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_are_drawn_with_the_training_s_seed_and_rounded_to_the_data_s_integers(
    temperature: float,
) -> None:
    trained = tiny_trained((1, 8, 8))
    metric = build_component("metric", "frechet", features=f"{HERE}:Corners", temperature=temperature)
    found = metric.measure(trained)

    generator = torch.Generator().manual_seed(trained.seed)
    flow, network = trained.flow, Corners()
    latents = [temperature * torch.randn(48, *shape, generator=generator) for shape in flow.latent_shapes]
    with torch.no_grad():
        samples = quantise(flow.decode(latents), flow.bins)
    every = [trained.dataset.split(name).take(range(48)) for name in ("test", "train")]
    rows = [network(images).double().numpy() for images in (*every, samples)]

    assert found.value == pytest.approx(expected_distance(rows[0], rows[2]), rel=1e-6)
    assert found.details["training_images"] == pytest.approx(expected_distance(rows[0], rows[1]), rel=1e-6)
    assert found.conditions["images"] == 48
    assert found.conditions["features"] == f"{HERE}:Corners"
    assert found.conditions["temperature"] == temperature
    assert found.valid
    assert found != metric.measure(replace(trained, seed=4))


def test_features_of_the_data_set_s_own_are_not_called_fid(fitted: Trained) -> None:
    trained = fitted
    found = build_component("metric", "frechet", images=150, steps=60).measure(trained)

    assert found.unit == "own features, not FID"
    revision = trained.dataset.info.revision
    expected = f"flowzoo-changes-64 trained on digits {revision}, 60 steps, seed 0"
    assert found.conditions["features"] == expected
    assert found.valid
    assert found.repeats
    assert 0 < found.details["training_images"] < found.value


def test_samples_of_a_model_of_noise_are_further_away(fitted: Trained) -> None:
    metric = build_component("metric", "frechet", images=150, steps=60)

    noise = torch.randint(17, (300, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)

    near = metric.measure(fitted).value
    far = metric.measure(gaussian(noise)).value

    assert near < far


def test_more_features_than_images_give_no_figure_to_be_ranked(fitted: Trained) -> None:
    found = build_component("metric", "frechet", images=64, steps=60).measure(fitted)

    assert not found.valid
    assert found.objections == ("64 images are too few for 64 features; it takes 65",)


def test_the_features_come_to_tell_what_was_done_to_images() -> None:
    test, digits = split("test", 100), load_dataset("digits")

    untrained, trained = (TrainedFeatures(digits, steps, seed=0) for steps in (1, 120))

    assert untrained.accuracy(test) < 0.35
    assert trained.accuracy(test) > 0.6


def test_features_that_have_learnt_nothing_give_no_figure_to_be_ranked(fitted: Trained) -> None:
    found = build_component("metric", "frechet", images=150, steps=1).measure(fitted)

    assert not found.valid
    (objection,) = found.objections
    assert re.search(r"\d+% of changes, guessing 14%", objection)


def test_features_vary_by_about_one_over_training_images() -> None:
    digits = load_dataset("digits")

    found = TrainedFeatures(digits, steps=30, seed=0)(split("train", 1000)).std(0)

    assert float(found.max()) == pytest.approx(1, abs=0.1)
    assert float(found.median()) == pytest.approx(1, abs=0.1)


def test_the_features_are_the_same_for_every_model() -> None:
    test, digits = split("test", 10), load_dataset("digits")

    first, again, other = (TrainedFeatures(digits, steps=3, seed=seed)(test) for seed in (0, 0, 1))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("shape", [(2, 4, 6), (3, 70, 130)])
def test_images_of_every_shape_have_features(shape: tuple[int, int, int]) -> None:
    dataset = tiny_trained(shape).dataset
    images = dataset.split("test").take(range(3))

    found = TrainedFeatures(dataset, steps=1, seed=0)(images)

    assert found.shape == (3, 64)
    assert found.dtype == torch.float64
    assert bool((found[0] != found[1]).any())


def test_a_distance_that_is_not_finite_is_refused() -> None:
    with pytest.raises(NumericalError, match="Broken "):
        build_component("metric", "frechet", features=f"{HERE}:Broken").measure(tiny_trained((1, 8, 8)))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no.such:thing", "ModuleNotFoundError"),
        (f"{HERE}:nothing", "AttributeError"),
        (f"{HERE}:split", "TypeError"),
        (f"{HERE}:Mixing", "1 rows of features for 2 images"),
    ],
)
def test_what_gives_no_features_is_refused(path: str, reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        ImportedFeatures(path, (1, 8, 8))


def test_features_that_are_no_name_are_refused() -> None:
    with pytest.raises(OptionError, match="features"):
        build_component("metric", "frechet", features="resnet")


def test_without_inception_s_weights_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchmetrics.image.fid, "_TORCH_FIDELITY_AVAILABLE", False)

    with pytest.raises(DataError, match=r"torch-fidelity.*features=trained"):
        build_component("metric", "frechet", features="inception").measure(tiny_trained((1, 8, 8)))


def test_inception_sees_bytes_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []

    class Inception(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(images)
            return images.float().flatten(1)[:, :5]

    monkeypatch.setattr(feature_networks, "_load_inception", Inception)
    images = torch.arange(17, dtype=torch.uint8).repeat(4)[:64].reshape(1, 1, 8, 8)

    features = InceptionFeatures(17, torch.device("cpu"))
    features(images)

    (given,) = seen
    assert given.dtype == torch.uint8
    assert given.shape == (1, 3, 8, 8)
    assert (int(given.min()), int(given.max())) == (0, 255)
    assert torch.equal(given[:, 0], given[:, 2])
    assert features.unit == "FID"
    with pytest.raises(DataError, match="2 channels"):
        features(images.expand(1, 2, 8, 8))


class Linear(torch.nn.Linear):
    """A network with weights, which its name must tell from others of the same name."""

    def __init__(self) -> None:
        super().__init__(64, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.flatten(1).float())


def test_other_weights_are_other_features() -> None:
    names = {ImportedFeatures(f"{HERE}:Linear", (1, 8, 8)).name for _ in range(2)}

    assert len(names) == 2
    assert all(name.startswith(f"{HERE}:Linear, weights ") for name in names)


def test_it_shows_how_far_it_is() -> None:
    told: list[tuple[float, str]] = []
    trained = replace(tiny_trained((1, 8, 8)), progress=lambda share, what: told.append((share, what)))
    build_component("metric", "frechet", steps=2).measure(trained)

    shares = [share for share, _ in told]
    assert list(dict.fromkeys(what for _, what in told)) == [
        "features",
        "test images",
        "samples",
        "training images",
    ]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
