"""A solver's steps are fixed before the batches, and its error is audited."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch

import flowzoo
from flowzoo.call import Call, per_image_generators
from flowzoo.data.batches import spread
from flowzoo.data.dataset import ImageSource
from flowzoo.data.load import load_dataset
from flowzoo.dequantisation import dequantise
from flowzoo.evaluation.audit import BETWEEN_PILOTS, Audit
from flowzoo.evaluation.floor import fit_gaussian
from flowzoo.evaluation.likelihood import Likelihood, evaluate_likelihood
from flowzoo.evaluation.observer import Observer
from flowzoo.flow import Flow
from flowzoo.metric import NOT_AUDITED
from tests.evaluation.toy_solver import pendulum_flow

ROUGH, FINE = 8.0, 500.0


def held_out() -> ImageSource:
    return load_dataset("digits").split("test")


def adaptive_cnf(tolerance: float) -> Flow:
    options = {
        "blocks": 1,
        "network": {"name": "conv-field", "hidden": 4, "layers": 2},
        "evaluation_solver": "dopri5",
        "evaluation_tolerance": tolerance,
    }
    flow = flowzoo.create_model(
        "mrcnf",
        (1, 8, 8),
        levels=2,
        bins=17,
        pixels="affine",
        seed=0,
        bijector=options,
        normalise="standardise",
        precondition=None,
    )
    flow.initialise([dequantise(load_dataset("digits").split("train").take(range(200)), 17)])
    generator = torch.Generator().manual_seed(0)
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.25, generator=generator)
    return flow


def test_the_pilot_s_images_are_spread_evenly_over_those_evaluated() -> None:
    assert spread(100, 4) == [0, 25, 50, 75]
    assert spread(3, 32) == [0, 1, 2]


def test_all_batches_meet_the_steps_that_the_pilot_took() -> None:
    flow, pendulum = pendulum_flow(ROUGH)
    evaluate_likelihood(flow, held_out(), limit=70, batch_size=30, audit=False)
    x = dequantise(
        held_out().take(spread(70, 32)), 17, Call(generator=per_image_generators(0, spread(70, 32)))
    )
    taken = math.ceil(ROUGH * float((2 * x - 1).abs().max()))
    assert pendulum.steps[1:] == [(32, taken), (30, taken), (30, taken), (10, taken)]


def test_the_pilot_s_evaluations_are_no_part_of_the_record() -> None:
    flow, pendulum = pendulum_flow(ROUGH)
    found = evaluate_likelihood(flow, held_out(), limit=70, batch_size=30)
    (row,) = found.components
    assert (row.component, row.part, row.calls) == ("level 0, conditional", "block 0, forward", 3)
    assert row.figures == {"evaluations": pendulum.steps[-1][1], "values": pytest.approx(70 / 3)}


@pytest.mark.parametrize("limit", [40, 1])
def test_an_image_s_figure_does_not_depend_on_which_images_share_its_batch(limit: int) -> None:
    flow, _ = pendulum_flow(ROUGH)
    figures = [
        evaluate_likelihood(flow, held_out(), limit=limit, batch_size=size, audit=False)
        for size in (1, 7, 40)
    ]
    assert [each.bits_per_dim for each in figures[1:]] == pytest.approx(
        [figures[0].bits_per_dim] * 2, abs=1e-6
    )


@pytest.mark.parametrize("exact", [True, False])
def test_an_image_s_figure_under_a_rough_adaptive_cnf_does_not_depend_on_its_batch(exact: bool) -> None:
    flow = adaptive_cnf(tolerance=3e-4)
    figures = [
        evaluate_likelihood(flow, held_out(), limit=20, batch_size=size, exact=exact, audit=False)
        for size in (1, 7)
    ]
    assert figures[0].bits_per_dim == pytest.approx(figures[1].bits_per_dim, abs=1e-5)


def test_models_that_keep_nothing_fly_two_pilot_images_and_no_audit_of_a_solver() -> None:
    flow = fit_gaussian(load_dataset("digits"), {"name": "affine"})
    seen: list[int] = []
    handle = flow.level(0).conditional.register_forward_hook(
        lambda module, given, found: seen.append(len(given[0]))
    )
    evaluate_likelihood(flow, held_out(), limit=50, batch_size=25, audit=False)
    assert seen == [2, 25, 25]
    handle.remove()
    found = evaluate_likelihood(flow, held_out(), limit=50, batch_size=25)
    assert found.audit is None
    assert (found.valid, found.objections, found.components) == (True, (), ())


def test_the_audit_is_the_error_against_the_closed_form() -> None:
    flow, pendulum = pendulum_flow(ROUGH)
    found = evaluate_likelihood(flow, held_out(), limit=40, seed=5).audit
    indices = spread(40, 16, 0.25)
    x = dequantise(held_out().take(indices), 17, Call(generator=per_image_generators(5, indices)))
    errors = []
    for image in x:
        v = (2 * image - 1).flatten().double()
        steps = pendulum.steps[-1][1]
        value, log_det = v, torch.zeros(())
        for _ in range(steps):
            log_det = log_det + value.cos().sum() / steps
            value = value + value.sin() / steps
        true = 2 * torch.atan(math.e * (v / 2).tan())
        true_log_det = (true.sin() / v.sin()).log().sum()
        nats = (true_log_det - true.square().sum() / 2) - (log_det - value.square().sum() / 2)
        errors.append(float(nats) / (64 * math.log(2.0)))
    assert found is not None
    assert (found.images, found.judge) == (16, "closed form")
    assert found.mean == pytest.approx(sum(errors) / 16, abs=1e-6)
    assert found.worst == pytest.approx(max(map(abs, errors)), abs=1e-6)
    assert abs(found.mean) > 0.01


def test_the_judge_sees_the_same_noise_coarse_images_and_probes() -> None:
    flow = flowzoo.create_model(
        "msflow-image",
        (1, 8, 8),
        levels=2,
        bins=17,
        pixels="affine",
        seed=0,
        bijector={
            "name": "cnf",
            "blocks": 1,
            "network": {"name": "conv-field", "hidden": 4, "layers": 2},
            "evaluation_solver": "dopri5",
        },
    )
    flow.initialise([dequantise(load_dataset("digits").split("train").take(range(200)), 17)])
    generator = torch.Generator().manual_seed(0)
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    found = evaluate_likelihood(flow, held_out(), limit=20, exact=False)
    assert found.audit is not None
    assert found.audit.worst < 1e-3
    assert found.trace.startswith("hutchinson")
    other = evaluate_likelihood(flow, held_out(), limit=20, exact=False, seed=1)
    assert abs(other.bits_per_dim - found.bits_per_dim) > 1e-3


def test_the_audit_leaves_the_model_as_it_was() -> None:
    flow, pendulum = pendulum_flow(ROUGH)
    evaluate_likelihood(flow, held_out(), limit=4)
    assert pendulum.fineness.dtype == torch.float32


def rated(fineness: float, audit: bool = True) -> Likelihood:
    """Return a likelihood, with time enough for its audit on a busy machine."""
    flow = pendulum_flow(fineness)[0]
    return evaluate_likelihood(flow, held_out(), limit=100, audit=audit, audit_seconds=600.0)


def test_a_figure_is_ranked_only_if_its_solver_s_error_was_audited_and_is_small() -> None:
    rough, fine, unaudited = rated(ROUGH), rated(FINE), rated(FINE, audit=False)
    assert (fine.valid, fine.objections) == (True, ())
    assert not rough.valid
    assert any("bijector.evaluation_tolerance" in each for each in rough.objections)
    assert not unaudited.valid
    assert unaudited.audit is None
    assert unaudited.density is None
    assert unaudited.objections == (NOT_AUDITED,)


def test_an_error_is_small_up_to_the_standard_error_within_bounds() -> None:
    audit = Audit(images=16, mean=-0.005, worst=0.02, judge="")
    assert audit.is_small(0.006)
    assert not audit.is_small(0.004)
    assert audit.is_small(None)
    assert dataclasses.replace(audit, mean=0.0009).is_small(0.0)
    assert not dataclasses.replace(audit, mean=0.011).is_small(0.5)


def test_the_audit_judges_images_that_no_pilot_saw() -> None:
    for count in (64, 100, 297, 1000):
        assert not set(spread(count, 32)) & set(spread(count, 16, BETWEEN_PILOTS))


def test_the_judge_takes_four_images_and_more_while_there_is_time() -> None:
    seen: list[tuple[int, int]] = []
    watched = Observer[Any, Any](solver_audit=lambda done, total: seen.append((done, total)))
    flow, _ = pendulum_flow(FINE)
    hurried = evaluate_likelihood(flow, held_out(), limit=40, audit_seconds=1e-9, observer=watched)
    assert hurried.audit is not None
    assert (hurried.audit.images, seen) == (4, [(0, 16), (4, 16)])
    whole = evaluate_likelihood(flow, held_out(), limit=40, audit_seconds=1e6).audit
    assert whole is not None
    assert whole.images == 16
    assert hurried.audit.worst <= whole.worst


def test_a_judge_that_fails_costs_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object) -> None:
        raise RuntimeError("expected scalar type Double but found Float")

    monkeypatch.setattr("flowzoo.evaluation.likelihood.audit_likelihood", fail)
    flow, _ = pendulum_flow(ROUGH)

    found = evaluate_likelihood(flow, held_out(), limit=5, audit_seconds=1.0)

    assert found.bits_per_dim > 0
    assert not found.valid
    assert any("could not be audited: RuntimeError: expected scalar" in each for each in found.objections)
