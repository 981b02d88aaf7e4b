from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flowzoo.evaluation.report import evaluate
from flowzoo.metric import Measurement
from flowzoo.registry.build import build_component


@pytest.mark.parametrize("model", ["realnvp", "mrcnf"])
def test_it_is_what_evaluating_the_run_gives(runs: Any, measure: Any, model: str) -> None:
    folder = runs(model)
    expected = evaluate(folder.path, images=40, batch_size=20, floor=False, device="cpu")

    found = measure("bits-per-dim", model, images=40, batch_size=20)

    assert found.value == expected.bits_per_dim
    assert found.error == expected.standard_error
    assert (found.valid, found.objections) == (expected.valid, expected.objections)
    assert found.conditions["images"] == 40
    assert found.conditions["trace"] == expected.trace
    assert found.conditions["solver"] == expected.solver
    assert sum(found.details["shares"].values()) == pytest.approx(found.value, abs=1e-5)


def test_a_solver_s_error_stands_beside_the_figure_unless_it_was_not_asked_for(measure: Any) -> None:
    audited = measure("bits-per-dim", "mrcnf", images=20)
    unaudited = measure("bits-per-dim", "mrcnf", images=20, audit=False)

    assert audited.conditions["audit"]["images"] == 16
    assert abs(audited.conditions["audit"]["mean"]) <= audited.conditions["audit"]["worst"]
    assert unaudited.conditions["audit"] is None
    assert not unaudited.valid


def test_split_draws_and_seed_are_the_evaluation_s(load: Any, measure: Any) -> None:
    found = measure("bits-per-dim", "realnvp", split="validation", images=10, draws=4, seed=3)
    plain = measure("bits-per-dim", "realnvp", split="validation", images=10, seed=3)

    assert found.conditions["draws"] == 4
    assert found.conditions["split"] == "validation"
    assert found.value < plain.value
    assert plain.value != measure("bits-per-dim", "realnvp", split="validation", images=10).value


def test_a_pyramid_s_joint_figure_stands_in_the_details(pyramid: Any) -> None:
    found = build_component("metric", "bits-per-dim", images=10).measure(pyramid)

    assert found.details["joint_bpd"] < found.value
    assert found.conditions["proposal"].endswith("K=1")


def test_the_figure_is_kept_before_its_audit(load: Any, runs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("flowzoo.evaluation.likelihood.audit_density", stopped)
    kept: list[Measurement] = []
    trained = replace(load("realnvp"), keep=kept.append)
    with pytest.raises(KeyboardInterrupt):
        build_component("metric", "bits-per-dim", images=10).measure(trained)

    (before,) = kept
    assert before.value is not None
    assert not before.valid
    assert before.conditions["images"] == 10


@pytest.mark.parametrize(("audit", "parts"), [(True, ["images", "audit"]), (False, ["images"])])
def test_it_shows_how_far_it_is(load: Any, audit: bool, parts: list[str]) -> None:
    told: list[tuple[float, str]] = []
    trained = replace(load("gaussian"), progress=lambda share, what: told.append((share, what)))
    build_component("metric", "bits-per-dim", images=10, batch_size=5, audit=audit).measure(trained)

    shares = [share for share, _ in told]
    assert list(dict.fromkeys(what for _, what in told)) == parts
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
