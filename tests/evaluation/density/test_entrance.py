"""The noise of dequantisation is judged with the model, and a wrong ``log q`` is found and blamed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from flowzoo.call import EVALUATION, Call
from flowzoo.data.load import load_dataset
from flowzoo.dequantisation import Dequantisation
from flowzoo.errors import NumericalError, PluginError, ShapeError
from flowzoo.evaluation.density import judge
from flowzoo.evaluation.likelihood import Likelihood, evaluate_likelihood
from flowzoo.flow import Flow
from flowzoo.registry.models import create_model
from tests.testing.broken.dequantisations import Leaning, without_the_sigmoid

Change = Callable[[Any], Any]


class WithoutTheSigmoid(Leaning):
    def forward(self, images: Tensor, bins: int, call: Call = EVALUATION) -> tuple[Tensor, Tensor]:
        u, log_q = super().forward(images, bins, call)
        return u, without_the_sigmoid(u, log_q)


class DrawsTwice(Leaning):
    def forward(self, images: Tensor, bins: int, call: Call = EVALUATION) -> tuple[Tensor, Tensor]:
        call.normal(images.double())
        return super().forward(images, bins, call)


def measured(noise: Dequantisation, **options: Any) -> Likelihood:
    parts = create_model("gaussian", (1, 8, 8), bins=17, pixels="affine", seed=0)
    flow = Flow((1, 8, 8), list(parts.levels), parts.pixels, 17, noise)
    flow.initialise([load_dataset("digits").split("train").take(range(512))])
    return evaluate_likelihood(flow, load_dataset("digits").split("test"), limit=12, **options)


class Changed(Leaning):
    """Noise whose draw, and whose log q, are changed by a function each."""

    def __init__(self, draw: Change = lambda u: u, density: Change = lambda log_q: log_q) -> None:
        super().__init__()
        self.draw, self.density = draw, density

    def forward(self, images: Tensor, bins: int, call: Call = EVALUATION) -> tuple[Tensor, Tensor]:
        u, log_q = super().forward(images, bins, call)
        return self.draw(u), self.density(log_q)


@pytest.mark.parametrize(
    ("noise", "error", "message"),
    [
        (Changed(lambda u: 2 * u, lambda q: q - 64 * math.log(2)), PluginError, "leaves the bin"),
        (Changed(lambda u: u + 0.5), PluginError, "outside"),
        (Changed(lambda u: -u), PluginError, "outside"),
        (Changed(lambda u: u * math.nan), NumericalError, "noise that is not finite"),
        (Changed(density=lambda q: q * math.inf), NumericalError, "log q of its noise that is not finite"),
        (Changed(density=lambda q: 0.0), ShapeError, "a float as log q, not a tensor"),
    ],
)
def test_noise_that_is_none_is_blamed_before_there_is_a_figure(
    noise: Dequantisation, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        measured(noise)
    assert "Changed" in str(caught.value)


@pytest.mark.parametrize("samples", [1, 3])
def test_sound_noise_passes_and_is_part_of_the_figure(samples: int) -> None:
    found = measured(Leaning(), importance_samples=samples)

    assert found.objections == ()
    assert found.dequantisation == "leaning"
    assert found.terms["dequantisation"] != 0.0
    assert sum(found.terms.values()) == pytest.approx(found.bits_per_dim, abs=1e-6)


def test_a_wrong_log_q_is_found_and_blamed() -> None:
    found = measured(WithoutTheSigmoid())

    assert not found.valid
    assert any("dequantisation (WithoutTheSigmoid)" in each for each in found.objections)


class Folded(Dequantisation):
    """Gaussian noise around a point of the bin, reflected or wrapped into it; ``log q`` of the draw alone."""

    def __init__(self, fold: Change, centre: float, sigma: float) -> None:
        super().__init__()
        self.fold, self.centre, self.sigma = fold, centre, sigma

    @property
    def title(self) -> str:
        return "folded"

    def forward(self, images: Tensor, bins: int, call: Call = EVALUATION) -> tuple[Tensor, Tensor]:
        e = call.normal(images.double())
        log_q = -0.5 * (e.square() + math.log(2 * math.pi)) - math.log(self.sigma)
        return self.fold(self.centre + self.sigma * e), log_q.flatten(1).sum(1)


def reflected(u: Tensor) -> Tensor:
    return ((u + 1) % 2 - 1).abs()


@pytest.mark.parametrize(
    ("noise", "also"),
    [
        (Folded(lambda u: u % 1, 0.5, 1.0), "cannot be negative"),
        (Folded(reflected, 0.5, 0.5), "cannot be negative"),
        (Folded(reflected, 0.0, 0.1), ""),
        (Folded(reflected, 0.0, 1e-3), ""),
    ],
)
def test_draws_that_lead_to_the_same_noise_are_found(noise: Dequantisation, also: str) -> None:
    found = measured(noise)

    assert any("Folded" in each and "same values" in each for each in found.objections), found.objections
    assert any(also in each for each in found.objections)


def test_noise_that_hardly_leaves_its_bin_passes() -> None:
    assert measured(Folded(reflected, 0.5, 0.08)).objections == ()


class Rounding(Leaning):
    """Noise that simplifies the images before it is added to them."""

    def forward(self, images: Tensor, bins: int, call: Call = EVALUATION) -> tuple[Tensor, Tensor]:
        images.clamp_(max=8)
        return super().forward(images, bins, call)


def test_noise_that_changes_the_images_is_refused() -> None:
    with pytest.raises(PluginError, match="Rounding changed images in place"):
        measured(Rounding())


def test_noise_with_more_draws_than_values_is_no_density() -> None:
    found = measured(DrawsTwice())

    assert any("128 numbers are drawn for the noise of 64 values" in each for each in found.objections)


def test_noise_is_judged_in_smaller_models_too(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = judge.judge
    monkeypatch.setattr(
        "flowzoo.evaluation.density.verdict.judge",
        lambda flow, *rest: None if flow.dimensions > 16 else honest(flow, *rest),
    )
    noise = {"name": "truncated-normal", "sigma": 0.3}
    flow = create_model("gaussian", (1, 8, 8), bins=17, pixels="affine", seed=0, dequantisation=noise)
    flow.initialise([load_dataset("digits").split("train").take(range(512))])

    found = evaluate_likelihood(flow, load_dataset("digits").split("test"), limit=12)

    assert found.objections == ()
    assert found.density is not None
    assert found.density.method.startswith("rebuilt at 1x4x4")


def test_the_audit_judges_what_draws_the_noise() -> None:
    """With uniform noise the variables are the pixels, with other noise its draws."""
    plain, leaning = measured(create_model("gaussian", (1, 2, 2)).dequantisation), measured(Leaning())

    assert "dequantisation" not in plain.terms
    assert plain.dequantisation == "uniform"
    assert torch.tensor([plain.bits_per_dim, leaning.bits_per_dim]).isfinite().all()
