"""Figures that rest on bits/dim are worth no more than these, and these no more than their images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowzoo.bench.cell import Cell, cells_of
from flowzoo.bench.measure import CellRun, _never_ranked_unless_audited, _resting_on_likelihood
from flowzoo.bench.plan import Planner
from flowzoo.bench.result import Result
from flowzoo.bench.suite import SuiteError, parse_suite
from flowzoo.data.load import load_dataset
from flowzoo.metric import NOT_AUDITED, Measurement


def cell(metrics: list[Any]) -> Cell:
    asked = {"summary": "x", "models": ["gaussian"], "data": ["digits"], "budget": {"steps": 1}}
    (found,) = cells_of(parse_suite("small", {**asked, "metrics": metrics, "samples": 0}))
    return found


def run(wanted: Cell, work: Path) -> Result:
    plan = Planner("cpu").plan(wanted)
    return CellRun(wanted, plan, work, "cpu", 1, lambda *_, **more: None).run(work / "record.json")


def test_a_time_to_bits_per_dim_falls_with_the_density_that_they_are_not_of() -> None:
    time = Measurement(3.0, "s", "lower", conditions={"bits_per_dim": 2.0})
    speed = Measurement(9.0, "images/s", "higher")
    failed = Measurement(1.0, "bits/dim", "lower", valid=False, objections=("no density: x",))

    found = _resting_on_likelihood({"time-to-bpd": time, "speed": speed, "bits-per-dim": failed})

    assert (found["speed"], found["bits-per-dim"]) == (speed, failed)
    assert not found["time-to-bpd"].valid
    assert "no density: x" in found["time-to-bpd"].objections[0]


def test_beside_a_valid_likelihood_all_figures_stand() -> None:
    time = Measurement(3.0, "s", "lower", conditions={"bits_per_dim": 2.0})
    metrics = {"time-to-bpd": time, "bits-per-dim": Measurement(1.0, "bits/dim", "lower")}

    assert _resting_on_likelihood(metrics) == metrics


def test_a_time_to_bits_per_dim_that_nobody_measured_is_not_valid() -> None:
    time = Measurement(3.0, "s", "lower", conditions={"bits_per_dim": 2.0})

    found = _resting_on_likelihood({"time-to-bpd": time})

    assert not found["time-to-bpd"].valid
    assert "not measured" in found["time-to-bpd"].objections[0]


def test_bits_per_dim_of_any_metric_are_valid_only_if_they_were_audited() -> None:
    bits = Measurement(1.0, "bits/dim", "lower")
    assert not _never_ranked_unless_audited(bits).valid
    assert NOT_AUDITED in _never_ranked_unless_audited(bits).objections
    for sound in (replace(bits, audit_seconds=1.0), replace(bits, unit="images/s")):
        assert _never_ranked_unless_audited(sound) == sound


def test_a_metric_cannot_have_the_name_of_another_one() -> None:
    with pytest.raises(SuiteError, match="'bits-per-dim' is the name of another metric"):
        cell([{"name": "parameters", "label": "bits-per-dim"}])
    assert list(cell([{"name": "parameters", "label": "size"}]).metrics) == ["size"]


def test_a_data_set_that_is_loaded_with_other_images_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revisions = iter("abc")

    def other(name: str, **options: Any) -> Any:
        dataset = load_dataset(name, **options)
        return replace(dataset, info=replace(dataset.info, revision=next(revisions)))

    monkeypatch.setattr("flowzoo.bench.measure.load_dataset", other)
    result = run(cell(["parameters"]), tmp_path)
    assert result.failure is not None
    assert "other images each time" in result.failure.reason


def test_a_split_of_images_to_train_on_is_not_ranked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leaking(name: str, **options: Any) -> Any:
        dataset = load_dataset(name, **options)
        return replace(dataset, splits={**dataset.splits, "test": dataset.split("train")})

    for module in ("flowzoo.bench.measure", "flowzoo.training.start"):
        monkeypatch.setattr(f"{module}.load_dataset", leaking)
    found = run(cell([{"name": "bits-per-dim", "images": 8, "audit_seconds": 0.1}]), tmp_path)
    measured = found.metrics["bits-per-dim"]
    assert not measured.valid
    assert any("trained on" in each for each in measured.objections), measured.objections
