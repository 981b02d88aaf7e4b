"""A single step: batches whose gradients are averaged, and weights that decay."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import flowzoo
from flowzoo.call import Call
from flowzoo.data.load import load_dataset
from flowzoo.errors import OptionError
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.training.noise import StepNoise
from flowzoo.training.stage import plan_stages
from flowzoo.training.step import TrainingStep
from flowzoo.warm_start import WarmStart
from tests.training.conftest import TINY

IMAGES = load_dataset("digits")["train"].take(range(12))
RATE = 0.01


def model(order: str = "jointly") -> flowzoo.Flow:
    """Return a model that has seen data."""
    if order == "separately":
        flow = flowzoo.create_model("mrcnf", (1, 8, 8), seed=0, bins=17, **TINY)
    else:
        network = {"hidden": 4}
        flow = flowzoo.create_model("glow", (1, 8, 8), seed=0, bins=17, levels=1, last={"network": network})
    flow.initialise([IMAGES / 17])
    return flow


def stepped(steps: int = 1, **training: Any) -> tuple[flowzoo.Flow, list[float]]:
    """Return a model that has taken steps of its first stage, and its losses."""
    options = parse_training_options(training)
    flow = model(options.order)
    stage = plan_stages(flow, options)[0]
    generator = torch.Generator().manual_seed(0)
    step = TrainingStep(flow, stage, options, generator, WarmStart(flow))
    return flow, [step.take(IMAGES, RATE)[0] for _ in range(steps)]


@pytest.mark.parametrize("size", [6, 5])
def test_batches_of_one_step_count_as_one_batch_of_all_their_images(size: int) -> None:
    """Also where the last one is smaller. Each has noise of its own, which the step's number decides."""
    taken, (found,) = stepped(batch_size=size, accumulate=2)
    flow = model()
    noise = StepNoise(torch.Generator().manual_seed(0), "all levels", 2)
    expected = 0.0
    for number, batch in enumerate(IMAGES.split(size)):
        call = Call(mode="train", generator=noise.of(number))
        loss = flow.batch_loss(batch, call) * len(batch) / len(IMAGES)
        loss.backward()
        expected += float(loss.detach())
    assert found == pytest.approx(expected, rel=1e-6)
    for ours, theirs in zip(taken.parameters(), flow.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


def test_the_noise_of_a_step_repeats_and_that_of_batches_steps_and_stages_differs() -> None:
    def drawn(stage: str, step: int, batch: int) -> float:
        noise = StepNoise(torch.Generator().manual_seed(0), stage, 2)
        noise.begin(step)
        return float(torch.rand((), generator=noise.of(batch)))

    cases = [("a", 0, 0), ("a", 0, 1), ("a", 1, 0), ("b", 0, 0)]
    assert len({drawn(*case) for case in cases}) == len(cases)
    assert [drawn(*case) for case in cases] == [drawn(*case) for case in cases]


def test_batches_of_other_sizes_have_penalties_of_their_own() -> None:
    options = parse_training_options({"batch_size": 5, "accumulate": 3})
    flow = flowzoo.create_model("realnvp", (1, 8, 8), seed=0, bins=17)
    flow.initialise([IMAGES / 17])
    generator = torch.Generator().manual_seed(0)
    step = TrainingStep(flow, plan_stages(flow, options)[0], options, generator, WarmStart(flow))
    taken = step.take(IMAGES, RATE)
    assert taken.gradient_norm > 0
    assert not taken.ledger.penalties


@pytest.mark.parametrize("order", ["jointly", "separately"])
def test_weights_of_layers_decay_and_nothing_else_does(order: str) -> None:
    before = dict(model(order).named_parameters())
    plain = dict(stepped(order=order)[0].named_parameters())
    decayed = dict(stepped(order=order, optimiser="adamw", weight_decay=0.5)[0].named_parameters())
    changed = {name for name, each in plain.items() if not torch.equal(each, decayed[name])}
    for name in changed:
        difference = plain[name] - decayed[name]
        torch.testing.assert_close(difference, RATE * 0.5 * before[name], rtol=1e-3, atol=1e-7)
    trained = {name for name, each in plain.items() if each.grad is not None}
    assert changed == {name for name in trained if name.endswith("weight") and before[name].any()}
    assert changed


def test_adamw_without_decay_is_adam() -> None:
    adam, adamw = stepped(2)[0], stepped(2, optimiser="adamw")[0]
    assert all(torch.equal(*pair) for pair in zip(adam.parameters(), adamw.parameters(), strict=True))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weight_decay": 0.1}, "weight_decay.*optimiser=adamw"),
        ({"accumulate": 0}, "accumulate"),
        ({"warmup_share": 1.5}, "warmup_share=1.5"),
        ({"clip": {"a": -1}}, "clip.*-1"),
        ({"clip": -1}, "clip=-1"),
        ({"clip": {"flow-matching": 0}}, "clip.*above 0"),
        ({"clip": "{flow-matching:1}"}, "clip.*blank after the colon"),
        ({"batch_size": 10**20}, "batch_size"),
        ({"accumulate": 10**11}, "accumulate"),
        ({"batch_size": 2**12, "accumulate": 2**12}, "batch_size.*accumulate"),
        ({"validations": 10**400}, "validations"),
    ],
)
def test_options_out_of_range_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message) as caught:
        parse_training_options(given)
    assert "\n" not in str(caught.value)
