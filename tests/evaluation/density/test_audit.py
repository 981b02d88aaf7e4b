"""The density audit finds planted mistakes, says what they look like, and lets sound models pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from flowzoo.data.dataset import ImageSource
from flowzoo.data.memory import in_memory
from flowzoo.errors import PluginError
from flowzoo.evaluation.density.figure import audited_images
from flowzoo.evaluation.density.outcome import CLOSED_FORM, DensityAudit
from flowzoo.evaluation.likelihood import evaluate_likelihood
from flowzoo.flow import Flow
from tests.evaluation.density.planted import (
    BINS,
    SHAPE,
    BatchNorm,
    ChangesContext,
    Coupling,
    Drawn,
    Estimated,
    Locked,
    Mistake,
    OldFunction,
    Remembering,
    Sinh,
    WrongDerivative,
    drawing,
    dropping,
    flow_of,
    shrinking,
)

COUNT = 40


def noise_images() -> ImageSource:
    images = np.random.default_rng(0).integers(0, BINS, (3, COUNT, *SHAPE))
    splits = dict(zip(("train", "validation", "test"), images, strict=True))
    data = in_memory("noise", splits, bins=BINS, licence="", source="", pixels={"name": "affine"})
    return data.split("test")


def audited(flow: Flow, **options: Any) -> DensityAudit:
    found = evaluate_likelihood(flow, noise_images(), **options).density
    assert found is not None
    return found


def planted(conditional: bool = False, **mistake: Any) -> Flow:
    return flow_of(Coupling(Mistake(**mistake)), conditional=conditional)


SOUND: dict[str, Callable[[], Flow]] = {
    "couplings": lambda: flow_of(Coupling(), Coupling(odd=True)),
    "conditional couplings": lambda: planted(conditional=True),
    "a drawn coarse image": lambda: drawing(Drawn()),
    "an unbiased estimate": lambda: flow_of(Estimated()),
    "forward mode that fails": lambda: flow_of(Sinh(OldFunction.apply, honest=True)),
    "a derivative that is wrong": lambda: flow_of(Sinh(WrongDerivative.apply, honest=True)),
    "a latent that is detached": lambda: flow_of(Sinh(torch.sinh, honest=True, detached=True)),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_models_pass(name: str) -> None:
    found = audited(SOUND[name]())
    assert found.objections == ()
    assert found.passed
    assert found.method == "whole"
    assert found.images >= 2
    assert found.worst is not None
    assert found.tolerance is not None
    assert found.worst <= found.tolerance


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("couplings", "forward mode"),
        ("forward mode that fails", "reverse mode"),
        ("a derivative that is wrong", "finite differences"),
        ("a latent that is detached", "finite differences"),
    ],
)
def test_derivatives_are_checked_before_they_are_used(name: str, way: str) -> None:
    found = audited(SOUND[name]())
    assert found.derivatives == way
    assert bool(found.remarks) == (way != "forward mode")


def _some(right: torch.Tensor, wrong: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    return torch.where(where, wrong, right)


LOG_DETS: dict[str, tuple[Callable[..., torch.Tensor], str]] = {
    "the wrong sign": (lambda right, x, _: -right, "the sign is wrong"),
    "bits": (lambda right, x, _: right / math.log(2.0), "bits instead of nats"),
    "nats divided by log2 e": (lambda right, x, _: right * math.log(2.0), "log 2"),
    "halved": (lambda right, x, _: right / 2, "a factor of 0.5"),
    "doubled": (lambda right, x, _: right * 2, "a factor of 2"),
    "a mean": (lambda right, x, _: right / x[0].numel(), "a mean over the values"),
    "a mean over the scaled half": (lambda right, x, _: right / (x[0].numel() // 2), "factor of 0.125"),
    "none": (lambda right, x, _: torch.zeros_like(right), "always 0"),
    "a constant more": (lambda right, x, _: right + 0.01, "a constant of +0.01"),
    "wrong for flattering images alone": (
        lambda right, x, _: _some(right, right + 5.0, x.flatten(1).mean(1) > 0.15),
        "",
    ),
    "wrong in double precision alone": (lambda right, x, _: right + 0.5 * (x.dtype == torch.float64), ""),
    "wrong after training": (
        lambda right, x, coupling: right * (1.0 + coupling.weight.detach().abs().mean()),
        "a factor of",
    ),
    "of part of the values": (lambda right, x, _: right - 0.1 * x[:, 0, 0, 0].detach().tanh(), ""),
    "of the whole batch": (lambda right, x, _: right.sum().repeat(len(x)), ""),
    "not a number": (
        lambda right, x, _: _some(right, right * math.nan, torch.tensor(x.dtype == torch.float64)),
        "",
    ),
}


@pytest.mark.parametrize("name", LOG_DETS)
def test_a_wrong_log_det_is_no_density(name: str) -> None:
    log_det, looks = LOG_DETS[name]
    found = audited(planted(log_det=log_det))
    assert not found.passed
    assert looks in found.objections[-1]


def test_a_wrong_log_det_is_traced_to_its_part() -> None:
    wrong = Coupling(Mistake(log_det=lambda right, x, _: -right))
    (objection,) = audited(flow_of(Coupling(), Coupling(odd=True), wrong)).objections
    assert objection.startswith("no density: log_det off by ")
    assert "in level 0, conditional, parts.2 (Coupling): the sign is wrong" in objection


def test_the_error_is_that_of_the_stated_density() -> None:
    found = audited(planted(log_det=lambda right, x, _: right + 16 * math.log(2.0)))
    assert found.error == pytest.approx(1.0, abs=1e-9)
    assert found.objections[0].startswith("no density: log_det off by +1 bits/dim")


OTHERS: dict[str, tuple[Callable[[], Flow], str]] = {
    "an inverse without its context": (lambda: planted(True, forgetful=True), "decode(encode(x))"),
    "an inverse with a constant": (lambda: planted(inverse=lambda x, z: x + 0.01), "decode(encode(x))"),
    "an inverse that is right near the data alone": (
        lambda: planted(inverse=lambda x, z: x.clamp(-1.01, 1.01)),
        "encode(decode(z))",
    ),
    "an inverse that is missing": (lambda: planted(inverse=_missing), "could not be audited: decode"),
    "a latent for two images": (lambda: planted(z=lambda z, x: z.abs()), "decode(encode(x))"),
    "a latent that is constant": (lambda: planted(z=lambda z, x: 0 * z), "singular"),
    "statistics of the batch": (lambda: flow_of(BatchNorm()), "depends on the other images"),
    "a precision written into it": (
        lambda: planted(z=lambda z, x: z if z.dtype == torch.float64 else z * 1.1),
        "double precision",
    ),
    "a biased estimate": (lambda: flow_of(Estimated(0.5)), "the estimated log_det is biased"),
    "an estimate of the wrong sign": (lambda: flow_of(Estimated(-1.0)), "biased by -1.3"),
    "half of the latents": (dropping, "16 values are mapped to 8 latents"),
    "a derivative as wrong as its log_det": (
        lambda: flow_of(Sinh(WrongDerivative.apply, honest=False)),
        "log_det off by",
    ),
    "a proposal's density twice": (lambda: drawing(Drawn(2.0)), "level 0, transform"),
    "a proposal's density of the wrong sign": (lambda: drawing(Drawn(-1.0)), "the sign is wrong"),
    "a draw that others lead to": (
        lambda: drawing(Drawn(folded=True)),
        "log q of level 0, Drawn, is too low",
    ),
    "what was drawn is not dropped": (lambda: drawing(Drawn(kept=True)), "decode(encode(x))"),
    "an inverse that remembers": (lambda: flow_of(Remembering(own=True)), "decode(encode(x))"),
    "an inverse that others remember": (lambda: flow_of(Remembering(own=False)), "decode(encode(x))"),
    "a level that shrinks latents": (shrinking, "log_det off by"),
    "a lock": (lambda: flow_of(Locked()), "the model cannot be copied: TypeError"),
    "draws of its own": (lambda: drawing(Drawn(own=True)), "16 values are mapped to 32 latents"),
}


def test_a_part_that_changes_what_it_is_given_is_refused() -> None:
    with pytest.raises(PluginError, match="ChangesContext changed x or context in place"):
        audited(flow_of(ChangesContext(), conditional=True))


def test_bits_per_dim_below_zero_are_impossible() -> None:
    flows = planted(), planted(log_det=lambda right, *_: right + 90.0)
    right, wrong = (evaluate_likelihood(flow, noise_images(), audit=False) for flow in flows)
    assert wrong.bits_per_dim < 0.0 < right.bits_per_dim
    assert not any("more probable than 1" in each for each in right.objections)
    assert any("more probable than 1" in each for each in wrong.objections)


def _missing(x: Any, z: Any) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize("name", OTHERS)
def test_other_mistakes_are_found(name: str) -> None:
    make, said = OTHERS[name]
    exact = {"exact": False} if "estimate" in name else {}
    found = audited(make(), **exact)
    assert not found.passed
    assert any(said in each for each in found.objections), found.objections


def test_an_estimate_is_compared_with_what_is_right() -> None:
    sound, half = (audited(flow_of(Estimated(factor)), exact=False) for factor in (1.0, 0.5))
    trace = float(Estimated().rate.detach().trace())
    assert sound.passed
    assert sound.bias is not None
    assert sound.bias_error is not None
    assert abs(sound.bias) < 4 * sound.bias_error
    assert half.bias == pytest.approx(-0.5 * trace / (16 * math.log(2.0)), abs=5 * (half.bias_error or 0))


@pytest.mark.parametrize("draws", [1, 3])
def test_an_audit_changes_neither_figure_nor_model_nor_random_states(draws: int) -> None:
    flow = flow_of(Coupling(), Coupling(odd=True))
    source = noise_images()
    before = {name: value.clone() for name, value in flow.state_dict().items()}
    # Not Python's own, from which run-time type checkers draw.
    states = (torch.get_rng_state(), np.random.get_state()[1].tolist())  # type: ignore[index]
    with_audit, without = (
        evaluate_likelihood(flow, source, importance_samples=draws, audit=each) for each in (True, False)
    )
    assert (with_audit.bits_per_dim, with_audit.standard_error) == (
        without.bits_per_dim,
        without.standard_error,
    )
    assert all(torch.equal(value, before[name]) for name, value in flow.state_dict().items())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]  # type: ignore[index]


def test_the_most_flattered_image_is_audited_first() -> None:
    bits = torch.full((100,), 3.0)
    bits[17], bits[60] = 1.0, 9.0
    assert audited_images(bits)[:3] == [17, 50, 60]
    assert audited_images(bits[:1]) == [0]


def test_a_mistake_in_one_image_of_a_hundred_is_found_where_it_flatters() -> None:
    def lucky(right: torch.Tensor, x: torch.Tensor, _: Any) -> torch.Tensor:
        return torch.where(x[:, 0, 0, 0] > 0.97, right + 30.0, right)

    assert not audited(planted(log_det=lucky)).passed


def test_one_image_is_enough_to_audit() -> None:
    found = audited(flow_of(Coupling()), limit=1)
    assert found.passed
    assert found.images == 1
    assert found.worst is not None
    assert found.worst < CLOSED_FORM
