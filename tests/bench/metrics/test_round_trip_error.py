from __future__ import annotations

from typing import Any

import pytest
import torch

from flowzoo.errors import NumericalError
from flowzoo.flow import Flow
from flowzoo.registry.build import build_component


@pytest.mark.parametrize("model", ["gaussian", "realnvp", "lcma", "mrcnf"])
def test_models_lead_back_to_the_images(measure: Any, model: str) -> None:
    found = measure("round-trip-error", model, images=30)

    assert 0 < found.details["mean"] <= found.details["mean_of_largest_by_image"] <= found.value
    assert found.value < (0.05 if model == "mrcnf" else 1e-3)
    assert found.details["recovered_integers"] > 0.9
    assert found.conditions["images"] == 30
    assert found.conditions["dtype"] == "float32"


def test_coarse_images_that_were_drawn_lead_back_too(pyramid: Any) -> None:
    found = build_component("metric", "round-trip-error", images=30).measure(pyramid)

    assert 0 < found.value < 1e-3


def test_it_is_the_largest_error_of_a_value(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = load("realnvp")
    decode = Flow.decode

    def off(flow: Flow, *given: Any) -> torch.Tensor:
        x = decode(flow, *given)
        x[3, 0, 0, 0] += 0.25
        x[1, 0, 0, 0] += 0.5
        return x

    monkeypatch.setattr(Flow, "decode", off)

    found = build_component("metric", "round-trip-error", images=10).measure(trained)

    assert found.value == pytest.approx(0.5, abs=1e-4)
    assert found.details["mean"] == pytest.approx(0.75 / 640, abs=1e-4)
    assert found.details["mean_of_largest_by_image"] == pytest.approx(0.075, abs=1e-4)
    # The corners are black, and both leave their cells, which are 1/17 wide.
    assert found.details["recovered_integers"] == pytest.approx(638 / 640)


def test_no_more_images_than_there_are(measure: Any) -> None:
    assert measure("round-trip-error", "gaussian", images=5000).conditions["images"] == 297


def test_nothing_is_averaged_over_what_is_not_finite(load: Any) -> None:
    trained = load("realnvp")
    next(trained.flow.parameters()).data.fill_(float("nan"))

    with pytest.raises(NumericalError):
        build_component("metric", "round-trip-error").measure(trained)
