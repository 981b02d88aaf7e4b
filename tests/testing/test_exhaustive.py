"""Probabilities of all integer images, of every registered model that can be built tiny."""

from __future__ import annotations

import math

import pytest
import torch

from flowzoo.registry.loader import default_registry
from flowzoo.testing import trial_of
from flowzoo.testing.exhaustive import (
    ERRORS,
    SIZES,
    SLACK,
    Effort,
    Totals,
    adds_up_to_its_mass,
    require_that_they_add_up,
    tiny,
)
from flowzoo.testing.models import Model
from flowzoo.testing.result import CheckFailed
from tests.testing.broken.example import after

MODELS = [component.name for component in default_registry().components("model")]
THOROUGH = Effort(draws=(1, 8, 64), repeats=4, samples=2048)


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_of_two_pixels_add_up_to_the_integral(name: str) -> None:
    subject = tiny(Model, trial_of("model", name), (1, 2, 1))
    assert subject is not None, "every model of the zoo can be built on 2x1 pixels"
    with torch.no_grad():
        totals = Totals(subject.module, THOROUGH)
    require_that_they_add_up(totals)
    mass, error = totals.mass
    assert 0.05 < mass <= 1.0 + SLACK * mass
    # More draws lose less of it, and 64 next to nothing.
    bounds = [bound for bound, _ in totals.bounds.values()]
    assert bounds[0] < bounds[-1]
    assert bounds[-1] == pytest.approx(mass, abs=ERRORS * (totals.bounds[64][1] + error) + 0.02)


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_of_four_pixels_and_several_levels_add_up(name: str) -> None:
    adds_up_to_its_mass(Model, trial_of("model", name))


def test_the_integral_is_that_of_a_known_density() -> None:
    subject = tiny(Model, trial_of("model", "gaussian"), (1, 2, 1))
    assert subject is not None
    flow = subject.module
    gaussian = flow.level(0).conditional.double()
    # Independent pixels of standard normal logits of 1 + 2 x: each holds Phi(1) - Phi(-1) of it.
    for name, value in gaussian.named_buffers():
        if name.endswith("factor"):
            value.copy_(0.5 * torch.eye(2, dtype=torch.float64))
        if name.endswith("mean"):
            value.fill_(0.5)
        if name.endswith(("shift", "scale")):
            value.fill_(0.0 if name.endswith("shift") else 1.0)
    with torch.no_grad():
        totals = Totals(flow)
    held = math.erf(1.0 / math.sqrt(2.0)) ** 2
    assert totals.mass[0] == pytest.approx(held, abs=1e-6)
    assert totals.unbiased[0] == pytest.approx(held, abs=ERRORS * totals.unbiased[1])
    assert totals.sampled[0] == pytest.approx(held, abs=ERRORS * totals.sampled[1])


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_probabilities_that_are_off_by_a_tenth_are_found(factor: float) -> None:
    subject = tiny(Model, trial_of("model", "gaussian"), (1, 2, 1))
    assert subject is not None
    dearer = after("bits_per_dim", lambda bits, *_: bits - math.log2(factor) / 2)
    subject.module = dearer(subject.module)
    with torch.no_grad():
        totals = Totals(subject.module, THOROUGH)
    with pytest.raises(CheckFailed, match="add up to"):
        require_that_they_add_up(totals)


def test_models_that_need_larger_images_are_passed_over() -> None:
    trial = trial_of("model", "mrcnf", levels=4)
    assert all(tiny(Model, trial.with_check(options=trial.check.options), shape) for shape in SIZES)
