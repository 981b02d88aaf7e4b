"""The metric ``ood``: the AUROC of the score that is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from flowzoo.ood.detect import detect_ood


def test_is_the_figure_of_the_function(measure: Any, load: Any) -> None:
    found = measure("ood", "realnvp", images=20, training_images=20, score="likelihood", against="noise")
    trained = load("realnvp")
    (against,) = detect_ood(
        trained.flow,
        "noise",
        trained.dataset,
        images=20,
        training_images=20,
        seed=trained.seed,
        gradient=False,
    ).against
    assert found.value == pytest.approx(against.scores[0].separation.auroc.value)
    assert found.better == "higher"
    assert found.conditions["against"] == "noise"
    assert set(found.details["scores"]) == {each.name for each in against.scores}
