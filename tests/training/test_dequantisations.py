"""Noise in training: it is trained, saved, resumed and recorded; uniform noise changes no key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowzoo.comparison.settings import differing_settings
from flowzoo.errors import OptionError, UnknownNameError
from flowzoo.evaluation.report import evaluate
from flowzoo.experiment.parse import parse_experiment
from flowzoo.registry.models import create_model
from flowzoo.registry.saving import load_model
from flowzoo.runfolder import RunRecord
from flowzoo.training.resume import resume_run
from tests.training.test_runs import StopAt, assert_same_weights

Start = Callable[..., RunRecord]

SMALL = {"levels": 1, "last": {"checkerboard": 2, "channel": 0, "network": {"hidden": 4, "blocks": 0}}}
NOISE = {"name": "variational", "bijector": {"checkerboard": 2, "network": {"hidden": 4}}}
VARIATIONAL: dict[str, Any] = {"model": "realnvp", "options": {**SMALL, "dequantisation": NOISE}}


def test_an_interrupted_run_ends_like_an_undisturbed_one(start: Start, tmp_path: Path) -> None:
    start(tmp_path / "whole", **VARIATIONAL)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "cut", reporter=StopAt(3), **VARIATIONAL)

    assert resume_run(tmp_path / "cut", device="cpu").steps == 6
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")

    loaded = load_model(tmp_path / "whole" / "model")
    untrained = create_model("realnvp", (1, 8, 8), bins=17, seed=0, dequantisation=NOISE, **SMALL)
    pairs = zip(loaded.dequantisation.parameters(), untrained.dequantisation.parameters(), strict=True)
    assert any(not ours.equal(theirs) for ours, theirs in pairs)
    record = evaluate(tmp_path / "whole", images=4, floor=False, device="cpu", importance_samples=2)
    assert record.dequantisation == "variational"
    assert record.objections == ()


def test_uniform_noise_changes_no_key_and_other_noise_does() -> None:
    given = {"model": "realnvp", "data": "digits", "budget": {"steps": 5}}
    without = parse_experiment(given)
    uniform = replace(without, options={"dequantisation": {"name": "uniform"}})
    other = replace(without, options={"dequantisation": {"name": "truncated-normal", "sigma": 0.2}})

    assert uniform.fingerprint == without.fingerprint != other.fingerprint
    assert uniform.key() == without.key() != other.key()
    assert differing_settings([without, uniform]) == {}
    assert differing_settings([without, other])["dequantisation.name"] == ("uniform", "truncated-normal")


def test_a_model_with_uniform_noise_records_no_component_that_older_ones_lack() -> None:
    recipe = create_model("gaussian", (1, 2, 2)).recipe
    assert recipe is not None
    assert not any(key.startswith("dequantisation:") for key in recipe.revisions)
    other = create_model("gaussian", (1, 2, 2), dequantisation="truncated-normal").recipe
    assert other is not None
    assert other.revisions["dequantisation:truncated-normal"] == 1


def test_levels_with_trained_noise_are_not_trained_one_by_one(start: Start, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="jointly"):
        start(tmp_path / "run", training={"order": "separately"}, **VARIATIONAL)


def test_an_unknown_dequantisation_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'variational'"):
        create_model("gaussian", (1, 2, 2), dequantisation="varational")
