"""What is timed; how fast it is, no test says."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import torch

from flowzoo.errors import NumericalError
from flowzoo.flow import Flow
from flowzoo.registry.build import build_component

SPEEDS = ["train-speed", "log-prob-speed", "sample-speed", "decode-speed"]
QUICK = {"repetitions": 3}


@pytest.mark.parametrize("name", SPEEDS)
@pytest.mark.parametrize("model", ["realnvp", "mrcnf", "lcma"])
def test_speeds_are_positive_and_state_their_conditions(measure: Any, name: str, model: str) -> None:
    found = measure(name, model, **QUICK)

    assert found.value > 0
    assert found.error >= 0
    assert (found.unit, found.better, found.repeats) == ("images/s", "higher", False)
    assert found.conditions["repetitions"] == 3
    assert found.conditions["device"] == "cpu"
    assert found.conditions["batch_size"] == (8 if name == "train-speed" else 100)


@pytest.mark.parametrize("name", SPEEDS)
def test_the_batch_size_is_an_option(measure: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    decode, enter = Flow.decode, Flow._transform_pixels

    def decoding(flow: Flow, latents: Any, *rest: Any) -> Any:
        sizes.append(len(latents[0]))
        return decode(flow, latents, *rest)

    def entering(flow: Flow, x: Any, run: Any) -> Any:
        sizes.append(len(x))
        return enter(flow, x, run)

    monkeypatch.setattr(Flow, "decode", decoding)
    monkeypatch.setattr(Flow, "_transform_pixels", entering)

    found = measure(name, "realnvp", batch_size=5, **QUICK)

    assert found.conditions["batch_size"] == 5
    assert sizes[-6:] == [5] * 6  # three to warm up, and three timed


@pytest.mark.parametrize("name", SPEEDS)
def test_no_two_calls_work_on_the_same_numbers(
    measure: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a model that remembers what it has computed would seem fast."""
    seen: list[torch.Tensor] = []
    decode, enter = Flow.decode, Flow._transform_pixels

    def decoding(flow: Flow, latents: Any, *rest: Any) -> Any:
        seen.append(latents[0].detach().clone())
        return decode(flow, latents, *rest)

    def entering(flow: Flow, x: Any, run: Any) -> Any:
        seen.append(x.detach().clone())
        return enter(flow, x, run)

    monkeypatch.setattr(Flow, "decode", decoding)
    monkeypatch.setattr(Flow, "_transform_pixels", entering)
    measure(name, "realnvp", batch_size=8, **QUICK)

    calls = seen[-6:]
    assert not any(torch.equal(one, other) for one, other in combinations(calls, 2))


def test_training_steps_are_of_the_last_phase_and_leave_the_weights_as_they_were(load: Any) -> None:
    trained = load("mrcnf")
    before = {name: value.clone() for name, value in trained.flow.state_dict().items()}

    found = build_component("metric", "train-speed", **QUICK).measure(trained)

    assert found.conditions["stage"] == "all levels, likelihood"
    for name, value in trained.flow.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(each.grad is not None for each in trained.flow.parameters())


def test_levels_that_trained_one_by_one_are_timed_one_by_one(measure: Any) -> None:
    found = measure("train-speed", "mrcnf", order="separately", **QUICK)

    assert found.conditions["stage"] == "level 0, likelihood"


def test_what_does_not_train_has_no_speed(measure: Any) -> None:
    found = measure("train-speed", "gaussian")

    assert found.value is None
    assert not found.valid
    assert found.objections == ("nothing of this model trains by steps",)


def test_evaluations_state_their_solver_and_trace(measure: Any) -> None:
    found = measure("log-prob-speed", "mrcnf", batch_size=4, exact=False, **QUICK)

    assert "rk4" in found.conditions["solver"]
    assert found.conditions["trace"].startswith("hutchinson")
    exact = measure("log-prob-speed", "mrcnf", batch_size=4, **QUICK)
    assert exact.conditions["trace"] == "exact"


@pytest.mark.parametrize("name", SPEEDS)
def test_a_broken_model_has_no_speed(load: Any, name: str) -> None:
    trained = load("realnvp")
    for parameter in trained.flow.parameters():
        parameter.data.fill_(float("nan"))

    with pytest.raises(NumericalError):
        build_component("metric", name, **QUICK).measure(trained)
