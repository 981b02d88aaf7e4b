"""Evaluation: figures, their conditions and errors."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

import flowzoo
from flowzoo.builtin.standardise import Standardise
from flowzoo.call import Call, per_image_generators
from flowzoo.data.load import load_dataset
from flowzoo.dequantisation import dequantise
from flowzoo.errors import OptionError
from flowzoo.evaluation.floor import fit_gaussian
from flowzoo.evaluation.likelihood import Likelihood, evaluate_likelihood
from flowzoo.evaluation.observer import Observer
from flowzoo.exactness import Exactness
from flowzoo.flow import Flow

LOGIT = {"name": "logit", "alpha": 1e-3}


def tiny(**bijector: Any) -> Flow:
    options = {
        "blocks": 1,
        "network": {"name": "conv-field", "hidden": 4, "layers": 2},
        "evaluation_solver": "rk4",
        "evaluation_steps": 2,
        **bijector,
    }
    flow = flowzoo.create_model(
        "mrcnf",
        (1, 8, 8),
        levels=2,
        bins=17,
        pixels=LOGIT,
        seed=0,
        bijector=options,
        normalise="standardise",
        precondition=None,
    )
    source = load_dataset("digits").split("train")
    flow.initialise([dequantise(source.take(range(200)), 17)])
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(0))
    return flow


@pytest.mark.parametrize(
    ("pixels", "published"),
    [({"name": "affine"}, 2.955), ({"name": "logit", "alpha": 0.05}, 2.447), (LOGIT, 2.293)],
)
def test_the_gaussian_floor_of_digits(pixels: dict[str, Any], published: float) -> None:
    # The published figures are fitted to 1,500 images; the floor sees the 1,350 that models train on.
    digits = load_dataset("digits")
    found = evaluate_likelihood(fit_gaussian(digits, pixels), digits.split("test"))
    assert found.bits_per_dim == pytest.approx(published, abs=0.05)
    assert found.images == 297


def test_mean_and_standard_error_are_those_of_the_images() -> None:
    digits = load_dataset("digits")
    flow = fit_gaussian(digits, LOGIT)
    source = digits.split("test")
    found = evaluate_likelihood(flow, source, limit=50, seed=3)
    values = flow.bits_per_dim(
        source.take(range(50)), Call(generator=per_image_generators(3, range(50)))
    ).double()
    assert found.bits_per_dim == pytest.approx(float(values.mean()), abs=1e-6)
    assert found.standard_error == pytest.approx(float(values.std()) / math.sqrt(50), abs=1e-6)


@pytest.mark.parametrize("exact", [True, False])
def test_an_image_s_figure_does_not_depend_on_its_batch(exact: bool) -> None:
    flow, source = tiny(), load_dataset("digits").split("test")
    figures = [
        evaluate_likelihood(flow, source, limit=20, batch_size=size, exact=exact, audit=False).bits_per_dim
        for size in (20, 7, 1)
    ]
    assert figures[1:] == pytest.approx([figures[0]] * 2, abs=1e-5)


def test_the_rows_add_up() -> None:
    found = evaluate_likelihood(tiny(), load_dataset("digits").split("test"), limit=20, audit=False)
    assert sum(found.terms.values()) == pytest.approx(found.bits_per_dim, abs=1e-5)
    assert list(found.terms) == [
        "pixels",
        *(f"level {level}, {term}" for level in (0, 1) for term in ("transform", "joint", "conditional")),
        "log2 bins",
    ]


def test_more_draws_tighten_the_bound_and_the_rows_still_add_up() -> None:
    digits = load_dataset("digits")
    flow = fit_gaussian(digits, {"name": "logit", "alpha": 1e-5})
    source = digits.split("test")
    one, many = (evaluate_likelihood(flow, source, importance_samples=draws) for draws in (1, 32))
    assert many.bits_per_dim < one.bits_per_dim - 0.01
    assert sum(many.terms.values()) == pytest.approx(many.bits_per_dim, abs=1e-5)


def test_more_draws_with_an_estimated_trace_are_refused() -> None:
    flow, source = tiny(), load_dataset("digits").split("test")
    with pytest.raises(OptionError, match="exact=True"):
        evaluate_likelihood(flow, source, limit=4, importance_samples=2, exact=False)
    assert (
        evaluate_likelihood(flow, source, limit=4, importance_samples=2, exact=True).importance_samples == 2
    )
    with pytest.raises(OptionError, match="at least 1"):
        evaluate_likelihood(flow, source, importance_samples=0)


def test_the_conditions_are_stated() -> None:
    flow, source = tiny(), load_dataset("digits").split("test")
    exact = evaluate_likelihood(flow, source, limit=8, exact=True, audit=False)
    estimated = evaluate_likelihood(flow, source, limit=8, exact=False, audit=False)
    assert exact.trace == "exact"
    assert exact.solver.startswith("rk4, 2 steps")
    assert estimated.trace == "hutchinson, rademacher probes"
    assert exact.evaluations == 2 * 2 * 4  # levels, steps, stages
    assert exact.parameters == sum(parameter.numel() for parameter in flow.parameters())
    assert exact.dequantisation == "uniform"


def test_one_image_has_no_standard_error() -> None:
    assert evaluate_likelihood(tiny(), load_dataset("digits").split("test"), limit=1).standard_error is None


def test_a_figure_with_an_approximated_log_determinant_is_marked() -> None:
    flow, source = tiny(), load_dataset("digits").split("test")
    assert evaluate_likelihood(flow, source, limit=2).valid
    conditional = flow.levels[0].conditional
    assert isinstance(conditional, Standardise)
    inner = conditional.inner
    inner.traits = replace(inner.traits, exactness=Exactness.NONE, exact_on_request=False)
    found = evaluate_likelihood(flow, source, limit=2)
    assert (found.valid, found.exactness) == (False, Exactness.NONE)


def test_models_that_draw_nothing_have_no_joint_figure() -> None:
    found = evaluate_likelihood(tiny(), load_dataset("digits").split("test"), limit=2, audit=False)
    assert found.joint_bits_per_dim is None
    assert found.proposal == ""


def test_an_observer_follows_images_and_audit_and_gets_the_figure_between_them() -> None:
    told: list[tuple[str, float]] = []
    found: list[tuple[Likelihood, torch.Tensor]] = []

    def measured(before: Likelihood, bits: torch.Tensor) -> None:
        told.append(("measured", 0.0))
        found.append((before, bits))

    after = evaluate_likelihood(
        tiny(),
        load_dataset("digits").split("test"),
        limit=5,
        batch_size=2,
        observer=Observer(
            images=lambda done, total: told.append((f"images of {total}", done)),
            audit=lambda share: told.append(("audit", share)),
            measured=measured,
        ),
    )

    assert told[:4] == [("images of 5", 2), ("images of 5", 4), ("images of 5", 5), ("measured", 0.0)]
    shares = [share for what, share in told[4:]]
    assert {what for what, _ in told[4:]} == {"audit"}
    assert shares[-1] == 1.0
    ((before, bits),) = found
    assert before.density is None
    assert before.bits_per_dim == after.bits_per_dim == float(bits.mean())
