"""What components report of themselves, gathered and read."""

from __future__ import annotations

import pytest
import torch

from flowzoo.call import Finding, Ledger
from flowzoo.data.load import load_dataset
from flowzoo.evaluation.advice import advise
from flowzoo.evaluation.diagnosis import diagnose
from flowzoo.evaluation.findings import Findings, Row
from flowzoo.evaluation.floor import fit_gaussian
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


def test_findings_are_averaged_over_calls_and_taken_out_of_the_ledger() -> None:
    flow, pendulum = pendulum_flow(8.0)
    findings, ledger = Findings(WarmStart(flow)), Ledger()
    for steps in (4.0, 8.0):
        ledger.findings = [
            Finding(pendulum, "a", {"steps": steps}),
            Finding(torch.nn.Linear(1, 1), "b", {"steps": 1.0}),
            Finding(flow.pixels, "a", {"steps": 1.0}),
        ]
        findings.take(ledger)
        assert not ledger.findings
    ledger.findings.append(Finding(pendulum, "a", {"rejected": 3.0}))
    findings.take(ledger)
    assert findings.rows() == (
        Row("level 0, conditional", "a", 3, {"steps": 6.0, "rejected": 3.0}),
        Row("Linear", "b", 2, {"steps": 1.0}),
        Row("pixels", "a", 2, {"steps": 1.0}),
    )


def row(part: str, calls: int = 1, **figures: float) -> Row:
    return Row("level 0", part, calls, {name.replace("_", " "): value for name, value in figures.items()})


def test_the_advice_names_the_slowest_part_and_its_shortest_step() -> None:
    (slowest,) = advise(
        [
            row("quick", evaluations=40.0, shortest_step=0.5, longest_step=0.5),
            row("slow", calls=3, evaluations=40.0, shortest_step=0.01234, longest_step=0.2),
        ]
    )
    assert slowest == "level 0, slow takes 75% of the evaluations; its steps are between 0.0123 and 0.2 long."


def test_no_part_is_blamed_where_all_cost_about_the_same() -> None:
    parts = [row(name, evaluations=cost, shortest_step=0.1, longest_step=0.1) for name, cost in COSTS.items()]
    assert advise(parts) == ("The evaluations are spread evenly: no part takes more than 30% of them.",)
    assert advise([row("only", evaluations=5.0)]) == ("level 0, only takes 100% of the evaluations.",)


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"kinetic energy": 1.1, "Jacobian norm": 8.0}, ["The kinetic energy of level 0, b is 1.1, which"]),
        ({"kinetic energy": 0.9, "Jacobian norm": 9.5}, ["The Jacobian norm of level 0, b is 9.5, which"]),
        (
            {"kinetic energy": 2.0, "Jacobian norm": 20.0},
            ["The kinetic energy of level 0, b is 2 and the Jacobian norm of level 0, b is 20, which"],
        ),
        ({"kinetic energy": 0.9, "Jacobian norm": 8.0}, []),
        ({}, []),
    ],
)
def test_large_energies_and_norms_are_advised_against(figures: dict[str, float], said: list[str]) -> None:
    small = Row("level 0", "a", 1, {"kinetic energy": 0.1, "Jacobian norm": 0.1})
    found = advise([small, Row("level 0", "b", 1, figures)])
    assert len(found) == len(said)
    for sentence, start in zip(found, said, strict=True):
        assert sentence.startswith(start)
        assert "bijector.kinetic, bijector.jacobian" in sentence
