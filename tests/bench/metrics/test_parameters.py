from __future__ import annotations

from typing import Any

from flowzoo.registry.build import build_component


def test_the_levels_parameters_add_up_to_the_model_s(load: Any, measure: Any) -> None:
    found = measure("parameters", "realnvp")

    assert found.value == sum(each.numel() for each in load("realnvp").flow.parameters())
    assert found.value == found.details["level 0"] + found.details["level 1"]
    assert found.details["level 0"] > 0


def test_a_model_in_closed_form_trains_none(measure: Any) -> None:
    assert measure("parameters", "gaussian").value == 0


def test_frozen_parameters_do_not_count(load: Any) -> None:
    trained = load("realnvp")
    first = next(trained.flow.parameters())
    total = build_component("metric", "parameters").measure(trained).value
    first.requires_grad_(False)

    assert build_component("metric", "parameters").measure(trained).value == total - first.numel()
