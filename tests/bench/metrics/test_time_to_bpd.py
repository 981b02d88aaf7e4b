from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from flowzoo.errors import NumericalError
from flowzoo.metric import Measurement
from flowzoo.registry.build import build_component

CURVE = [(2.0, 3.5), (5.0, 2.6), (8.0, 2.7), (11.0, 2.5), (20.0, 2.52), (34.0, 2.3)]


def records(curve: Sequence[tuple[float, float]]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = [{"step": 0, "seconds": 0.1, "stage": "all levels", "loss": 9.0}]
    for step, (seconds, bits) in enumerate(curve, start=1):
        found.append(
            {"step": step, "seconds": seconds, "stage": "all levels", "validation_bits_per_dim": bits}
        )
        found.append({"step": step, "seconds": seconds, "stage": "all levels", "validation_error": "x"})
    return found


def measured(load: Any, curve: Sequence[tuple[float, float]] = CURVE, **options: Any) -> Measurement:
    trained = replace(load("realnvp"), log=records(curve), seconds=34.4)
    found = build_component("metric", "time-to-bpd", **options).measure(trained)
    assert isinstance(found, Measurement)
    return found


def test_it_is_the_first_time_at_or_below_the_hardest_level(load: Any) -> None:
    found = measured(load, levels=[2.5, 3.0, 2.6])

    assert found.value == 11.0
    assert found.details["levels"] == {"3": 5.0, "2.6": 5.0, "2.5": 11.0}
    assert found.details["curve"] == [list(point) for point in CURVE]
    assert (found.valid, found.objections, found.repeats) == (True, (), False)
    assert found.conditions["bits_per_dim"] == 2.5


def test_other_clocks_are_a_condition(load: Any) -> None:
    trained = replace(load("realnvp"), log=records(CURVE))
    metric = build_component("metric", "time-to-bpd")
    assert "clock" not in metric.measure(trained).conditions
    timed = replace(trained, training={**trained.training, "clock": "processor"})
    assert metric.measure(timed).conditions["clock"] == "processor"


def test_a_level_out_of_reach_is_said_to_be(load: Any) -> None:
    found = measured(load, levels=[2.1, 2.6])

    assert found.value is None
    assert not found.valid
    assert found.objections == ("2.1 bits/dim was not reached in 34 s",)
    assert found.details["levels"] == {"2.6": 5.0, "2.1": None}


def test_without_levels_it_is_the_time_to_the_model_s_own_best(load: Any) -> None:
    near, nearer = measured(load, within=0.25), measured(load)

    assert (near.value, nearer.value) == (20.0 - 9.0, 34.0)
    assert near.better == ""
    assert all(figure in near.conditions["chosen_as"] for figure in ("2.3000", "0.25"))
    assert near.details["levels"] == {}


def test_the_log_of_a_run_has_a_curve(measure: Any, load: Any) -> None:
    found = measure("time-to-bpd", "mrcnf")

    log = load("mrcnf").log
    validated = [each for each in log if "validation_bits_per_dim" in each]
    assert [bits for _, bits in found.details["curve"]] == [
        each["validation_bits_per_dim"] for each in validated
    ]
    assert {each["stage"] for each in validated} == {
        "all levels, flow-matching",
        "all levels, likelihood",
    }
    assert found.conditions["images"] == 8


def test_shares_of_single_levels_are_no_curve(measure: Any) -> None:
    found = measure("time-to-bpd", "mrcnf", order="separately")

    assert found.value is None
    assert found.details == {}
    assert "one by one" in found.objections[0]


def test_a_model_that_did_not_train_has_no_curve(measure: Any) -> None:
    found = measure("time-to-bpd", "gaussian")

    assert found.value is None
    assert found.objections == ("the training log holds no validation figure",)


def test_figures_that_are_not_finite_are_refused(load: Any) -> None:
    with pytest.raises(NumericalError, match="not finite"):
        measured(load, curve=[(1.0, 3.0), (2.0, float("nan"))])
