"""Two sets of results beside each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowzoo.bench.compare import Change, Comparison, compare
from flowzoo.bench.report.facts import KEY_ALONE
from flowzoo.bench.result import Environment, Result
from flowzoo.bench.store import Results, identity
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.metric import Measurement
from tests.bench.report.made_up import CPU, CUDA, DIGITS, bits, failed, result


def results(*cells: Result) -> Results:
    return Results(cells, (), 0, {identity(each): Path() for each in cells})


def compared(first: Mapping[str, Measurement], second: Mapping[str, Measurement]) -> Change:
    found = compare(results(result("a", metrics=first)), results(result("a", metrics=second)))
    return found.pairs[0].changes[0]


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (2.0, 2.0, "equal"),
        (2.0, 2.05, "unclear"),
        (2.0, 2.11, "worse"),
        (2.0, 1.89, "better"),
    ],
)
def test_a_difference_is_marked_from_twice_its_uncertainty(first: float, second: float, verdict: str) -> None:
    change = compared({"bits-per-dim": bits(first, 0.03)}, {"bits-per-dim": bits(second, 0.04)})
    assert change.uncertainty == pytest.approx(math.sqrt(0.03**2 + 0.04**2))
    assert change.difference == pytest.approx(second - first)
    assert change.verdict == verdict
    assert change.marked == (verdict in ("better", "worse"))


@pytest.mark.parametrize(
    ("first", "second", "verdict", "difference"),
    [
        # Higher is better.
        ({"better": "higher", "error": 0.1}, {"value": 2.0, "better": "higher", "error": 0.1}, "better", 1.0),
        ({"error": 0.1}, {"value": 2.0, "error": 0.1}, "changed", 1.0),
        ({}, {"value": 2.0}, "differs", 1.0),
        ({}, {"value": 2.0, "error": 0.1}, "differs", 1.0),
        ({"repeats": False}, {"repeats": False}, "equal", 0.0),
        ({"repeats": False, "error": 0.1}, {"repeats": False, "error": 0.1}, "unclear", 0.0),
        ({"error": 0.0}, {"value": 1.5, "error": 0.0}, "changed", 0.5),
        ({}, {"value": None}, "unknown", None),
        ({}, {"unit": "ms"}, "not comparable", None),
        ({"valid": False}, {"value": 2.0}, "not comparable", None),
    ],
)
def test_verdicts(
    first: dict[str, Any], second: dict[str, Any], verdict: str, difference: float | None
) -> None:
    plain: dict[str, Any] = {"value": 1.0, "unit": "s"}
    change = compared({"x": Measurement(**plain | first)}, {"x": Measurement(**plain | second)})
    assert (change.verdict, change.difference) == (verdict, difference)


def test_a_metric_that_only_one_has_is_named() -> None:
    change = compared({"x": Measurement(1.0, "s")}, {})
    assert (change.verdict, change.remark) == ("unknown", "no figure in B")


def test_only_the_same_suite_revision_label_and_seed_are_compared() -> None:
    first = result("a", 2.0), result("b", 2.0), result("c", 2.0), result("d", 2.0)
    other = replace(DIGITS, revision="ffff")
    second = (
        result("a", 2.0),
        result("b", 2.0, seed=1),
        result("c", 2.0, suite="full"),
        result("d", 2.0, data=other),
    )
    found = compare(results(*first), results(*second))
    assert [pair.label for pair in found.pairs] == ["a"]
    assert found.only_first == (
        "quick · digits · b · seed 0 (cpu, float32)",
        "quick · digits · c · seed 0 (cpu, float32)",
        "quick · digits · d · seed 0 (cpu, float32)",
    )
    assert len(found.only_second) == 3
    assert found.data == ("digits: revision 1a2b3c4d5e6f -> ffff",)


def _labels(found: Comparison) -> list[tuple[float | None, float | None]]:
    return [(change.first, change.second) for pair in found.pairs for change in pair.changes]


def test_the_same_kinds_of_device_are_compared_first() -> None:
    first = result("a", 2.0), result("a", 3.0, environment=CUDA)
    assert _labels(compare(results(*first), results(result("a", 3.1, environment=CUDA)))) == [(3.0, 3.1)]
    across = compare(results(first[0]), results(result("a", 3.1, environment=CUDA)))
    assert _labels(across) == [(2.0, 3.1)]
    assert "device: cpu -> cuda:0" in across.pairs[0].differences


def test_what_differs_besides_the_figures_is_named() -> None:
    versions = {**CPU.versions, "torch": "2.7.0"}
    second = result(
        "a",
        key="another",
        options={"levels": 3, "coupling": {"width": 8}},
        training=TrainingOptions(batch_size=32),
        components={"model:a": 2},
        environment=replace(CPU, versions=versions, commit="0123abcd-dirty"),
        metrics={"bits-per-dim": bits(2.0, conditions={"images": 10, "audit": {"mean": 0.1}})},
    )
    first = result(
        "a", metrics={"bits-per-dim": bits(2.0, conditions={"images": 20, "audit": {"mean": 0.2}})}
    )
    (pair,) = compare(results(first), results(second)).pairs
    assert pair.differences == (
        "options.levels: 2 -> 3",
        "training.batch_size: 64 -> 32",
        "components.model:a: 1 -> 2",
        "versions.torch: 2.6.0 -> 2.7.0",
        "commit: 0123abcd -> 0123abcd-dirty",
        "bits-per-dim.images: 20 -> 10",
        "options.coupling.width: none -> 8",
    )
    (same,) = compare(results(first), results(replace(first, key="another"))).pairs
    assert same.differences == (KEY_ALONE,)


def test_a_cell_that_failed_has_no_changes() -> None:
    (pair,) = compare(results(result("a", 2.0)), results(failed("a"))).pairs
    assert pair.statuses == ("finished", "failed")
    assert pair.changes == ()


SPEED = {"x-speed": Measurement(100.0, "images/s", "higher", 1.0, repeats=False)}
FASTER = {"x-speed": Measurement(200.0, "images/s", "higher", 1.0, repeats=False)}


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (replace(CPU, threads=8), "threads: 1 -> 8"),
        (replace(CPU, jobs=2), "cells at the same time: 1 -> 2"),
        (replace(CPU, hardware={**CPU.hardware, "processor": "EPYC"}), "processor: Xeon -> EPYC"),
        (replace(CPU, device="cuda:0"), "device: cpu -> cuda"),
    ],
)
def test_speeds_of_different_machines_are_not_compared(environment: Environment, said: str) -> None:
    quality = {"bits-per-dim": bits(2.0)}
    first = results(result("a", metrics=SPEED | quality), result("b"))
    second = results(result("a", metrics=FASTER | quality, environment=environment), result("b"))
    found = compare(first, second)
    verdicts = {change.metric: change.verdict for change in found.pairs[0].changes}
    assert verdicts == {"bits-per-dim": "equal", "x-speed": "not comparable"}
    assert said in found.pairs[0].changes[1].remark
    assert (found.machines, found.versions) == ((f"{said} (1 of 2 rows)",), ())


def test_speeds_of_different_versions_are_compared_and_the_versions_named() -> None:
    upgraded = replace(CPU, versions={**CPU.versions, "torch": "2.7.0"}, plugins={"flowzoo-coupling": "2"})
    found = compare(
        results(result("a", metrics=SPEED)), results(result("a", metrics=FASTER, environment=upgraded))
    )
    assert found.pairs[0].changes[0].verdict == "better"
    assert found.machines == ()
    assert found.versions == ("flowzoo-coupling: 0.1.0 -> 2", "torch: 2.6.0 -> 2.7.0")


def test_data_sets_are_told_apart_by_their_labels() -> None:
    one, other = (result("a", value, data=replace(DIGITS, label=f"digits {value}")) for value in (2.0, 3.0))
    found = compare(results(one, other), results(one))
    assert [(pair.data, pair.changes[0].verdict) for pair in found.pairs] == [("digits 2.0", "equal")]
    assert "digits 3.0" in found.only_first[0]
