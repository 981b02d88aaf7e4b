"""What components report of themselves, gathered and read."""

from __future__ import annotations

import torch

from flowzoo.data.load import load_dataset
from flowzoo.evaluation.diagnosis import diagnose
from flowzoo.evaluation.findings import Findings, Row
from flowzoo.evaluation.floor import fit_gaussian
from flowzoo.solving import Finding
from flowzoo.warm_start import WarmStart
from tests.evaluation.toy_solver import pendulum_flow

COSTS = {"a": 20.0, "b": 30.0, "c": 25.0, "d": 25.0}


def test_a_diagnosis_has_a_row_for_each_part_and_direction() -> None:
    flow, pendulum = pendulum_flow(8.0)
    found = diagnose(flow, load_dataset("digits").split("test").take(range(12)))
    forward, backward = found.rows
    assert (forward.component, forward.part) == ("level 0, conditional", "block 0, forward")
    assert forward.figures == {"evaluations": pendulum.steps[-1][1], "values": 12.0}
    assert (backward.part, backward.figures) == ("block 0, backward", {"evaluations": 1.0, "energy": 0.5})
    assert (found.images, found.solver) == (12, "euler")
    assert min(found.forward_seconds, found.backward_seconds) > 0.0
    assert found.advice[0].startswith("level 0, conditional, block 0, forward takes ")


def test_a_model_without_solvers_has_nothing_to_report() -> None:
    flow = fit_gaussian(load_dataset("digits"), {"name": "affine"})
    found = diagnose(flow, load_dataset("digits").split("test").take(range(4)))
    assert (found.rows, found.advice, found.solver) == ((), (), "")


def test_findings_are_averaged_over_calls_and_taken_out_of_the_list() -> None:
    flow, pendulum = pendulum_flow(8.0)
    findings, found = Findings(WarmStart(flow)), list[Finding]()
    for steps in (4.0, 8.0):
        found += [
            Finding(pendulum, "a", {"steps": steps}),
            Finding(torch.nn.Linear(1, 1), "b", {"steps": 1.0}),
            Finding(flow.pixels, "a", {"steps": 1.0}),
        ]
        findings.take(found)
        assert not found
    found.append(Finding(pendulum, "a", {"rejected": 3.0}))
    findings.take(found)
    assert findings.rows() == (
        Row("level 0, conditional", "a", 3, {"steps": 6.0, "rejected": 3.0}),
        Row("Linear", "b", 2, {"steps": 1.0}),
        Row("pixels", "a", 2, {"steps": 1.0}),
    )


def advised(*found: Finding) -> tuple[str, ...]:
    findings = Findings(WarmStart(found[0].component))
    findings.take(list(found))
    return findings.advice()


def test_the_advice_names_the_slowest_part() -> None:
    part = torch.nn.Identity()
    costs = [Finding(part, "quick", {}, cost=40.0), *[Finding(part, "slow", {}, cost=40.0)] * 3]
    (slowest,) = advised(*costs)
    assert "slow" in slowest
    assert "75%" in slowest


def test_no_part_is_blamed_where_all_cost_about_the_same() -> None:
    part = torch.nn.Identity()
    (even,) = advised(*(Finding(part, name, {}, cost=cost) for name, cost in COSTS.items()))
    assert "evenly" in even
    assert "30%" in even
    assert "100%" in advised(Finding(part, "only", {}, cost=5.0))[0]
    assert advised(Finding(part, "free", {})) == ()


def test_the_same_advice_of_several_components_is_shown_once() -> None:
    flow, pendulum = pendulum_flow(8.0)
    findings = Findings(WarmStart(flow))
    findings.take([Finding(each, "a", {}, advice=("rest",)) for each in (pendulum, flow.pixels, pendulum)])
    assert findings.advice() == ("level 0, conditional; pixels: rest",)
