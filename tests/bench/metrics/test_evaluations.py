from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from flowzoo.bench.metrics.evaluations import COUNTED, SETTLING
from flowzoo.call import Call
from flowzoo.registry.build import build_component


def test_fixed_steps_give_the_number_that_the_method_needs(measure: Any) -> None:
    found = measure("evaluations", "mrcnf", batch_size=5)

    # Two levels of one block; rk4 has four stages, on three steps in evaluation and on two in training.
    assert found.value == 2 * 4 * 3
    assert found.details == {"training_step": 2 * 4 * 2, "sampling": 2 * 4 * 3}
    assert found.repeats
    assert "rk4" in found.conditions["solver"]
    assert found.conditions["batch_size"] == 5
    assert found.conditions["training_batch_size"] == 8


def test_models_without_an_ode_need_none(measure: Any) -> None:
    found = measure("evaluations", "realnvp")

    assert (found.value, found.details) == (0.0, {"training_step": 0.0, "sampling": 0.0})
    assert measure("evaluations", "gaussian").details == {"training_step": None, "sampling": 0.0}


def test_training_steps_are_averaged_after_they_have_settled(load: Any, monkeypatch: Any) -> None:
    trained = load("realnvp")
    calls: list[None] = []
    losses = type(trained.flow)._losses

    def counting(flow: Any, x: Any, call: Call) -> Any:
        calls.append(None)
        call.count("evaluations", 100.0 if len(calls) <= SETTLING else len(calls))
        return losses(flow, x, call)

    monkeypatch.setattr(type(trained.flow), "_losses", counting)

    found = build_component("metric", "evaluations", batch_size=4).measure(trained)

    assert len(calls) == SETTLING + COUNTED
    assert found.details["training_step"] == SETTLING + (1 + COUNTED) / 2


def test_random_numbers_come_from_the_training_s_seed(load: Any) -> None:
    metric = build_component("metric", "evaluations", batch_size=4)

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        first = metric.measure(replace(load("mrcnf"), seed=5))
        torch.default_generator.manual_seed(2)
        assert metric.measure(replace(load("mrcnf"), seed=5)) == first
