"""What was not audited, or failed its audit, is shown apart and never ranked."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from flowzoo.bench.report.blocks import TITLES, blocks
from flowzoo.bench.report.csv_text import csv_text
from flowzoo.bench.report.leaderboard import INVALID, UNAUDITED, Leaderboard, make_report
from flowzoo.bench.report.markdown import markdown
from flowzoo.bench.result import Result
from flowzoo.bench.store import Results, identity, read_results
from flowzoo.exactness import Exactness
from flowzoo.metric import NOT_AUDITED
from tests.bench.report.made_up import bits, result, write

WRONG = "no density: log_det off by +0.75 bits/dim in level 0, conditional (Coupling): the sign is wrong"


def results(*made: Result) -> Results:
    return Results(made, (), 0, {identity(each): Path() for each in made})


def board(*made: Result) -> Leaderboard:
    return make_report(results(*made)).boards[0]


def measured(label: str, value: float, **more: object) -> Result:
    return result(label, metrics={"bits-per-dim": bits(value, **more)})  # type: ignore[arg-type]


def texts(made: Leaderboard, title: str) -> list[tuple[str, ...]]:
    return [row for block in blocks(made, ()) if block.title == title for row in block.rows]


def test_a_figure_without_audit_is_never_ranked_beside_others() -> None:
    made = board(measured("old", 1.0, audited=False), measured("a", 2.0), measured("b", 3.0))
    assert [(each.rank, each.row.label) for each in made.ranked] == [(1, "a"), (2, "b")]
    assert [row.label for row in made.apart[UNAUDITED]] == ["old"]
    assert made.apart[INVALID] == ()
    assert texts(made, TITLES[UNAUDITED]) == [("old", "1.000 ± 0.010", "")]
    assert ("not audited", made.apart[UNAUDITED][0]) in list(made.standings)


def test_figures_without_audit_alone_have_no_rank_either_and_stand_in_order() -> None:
    made = board(measured("b", 2.0, audited=False), measured("a", 1.0, audited=False))
    assert made.ranked == ()
    assert [row.label for row in made.apart[UNAUDITED]] == ["a", "b"]


def test_a_figure_whose_audit_was_left_out_stands_with_them() -> None:
    skipped = measured("skipped", 1.0, audited=False, valid=False, objections=(NOT_AUDITED,))
    made = board(skipped, measured("a", 2.0))
    assert [row.label for row in made.apart[UNAUDITED]] == ["skipped"]


def test_a_figure_without_audit_that_has_another_fault_is_shown_with_the_fault() -> None:
    rough = measured("rough", 1.0, audited=False, valid=False, objections=("the solver errs", NOT_AUDITED))
    made = board(rough, measured("a", 2.0))
    assert [row.label for row in made.apart[INVALID]] == ["rough"]
    assert "the solver errs" in texts(made, TITLES[INVALID])[0][2]


def test_no_density_is_shown_with_its_reason_and_never_ranked() -> None:
    wrong = measured("wrong", 0.5, valid=False, objections=(WRONG,))
    made = board(wrong, measured("a", 2.0))
    assert [each.row.label for each in made.ranked] == ["a"]
    assert texts(made, TITLES[INVALID]) == [("wrong", "0.500 ± 0.010", WRONG)]
    report = make_report(results(wrong, measured("a", 2.0)))
    assert "no density: log\\_det off by +0.75 bits/dim" in markdown(report)


def test_seeds_with_and_without_audit_are_not_averaged() -> None:
    made = board(
        result("a", seed=0, metrics={"bits-per-dim": bits(2.0)}),
        result("a", seed=1, metrics={"bits-per-dim": bits(3.0, audited=False)}),
    )
    assert [each.row.quality.value for each in made.ranked if each.row.quality] == [2.0]
    assert [row.quality.value for row in made.apart[UNAUDITED] if row.quality] == [3.0]


def test_csv_says_so() -> None:
    text = csv_text(make_report(results(measured("old", 1.0, audited=False), measured("a", 2.0))))
    standings = [row["standing"] for row in csv.DictReader(io.StringIO(text))]
    assert standings == ["ranked", "not audited"]


def side_by_side(plain: dict[str, Any]) -> None:
    """Put the experiment's fields where they were before schema 4."""
    asked = plain.pop("experiment")
    plain |= {name: asked[name] for name in ("model", "seed", "options", "pixels", "training")}
    plain["spent"]["budget"] = asked["budget"]


def test_results_of_schema_1_are_read_and_were_not_audited(tmp_path: Path) -> None:
    write(tmp_path, measured("old", 2.5, audited=False), measured("new", 2.6))
    path = tmp_path / "quick" / "0.json"
    plain = json.loads(path.read_text())
    side_by_side(plain)
    plain["schema"] = 1
    del plain["metrics"]["bits-per-dim"]["audit_seconds"]
    path.write_text(json.dumps(plain))

    found = {each.label: each for each in read_results(tmp_path).results}

    assert found["old"].schema == found["new"].schema == Result.schema
    assert (found["old"].audited, found["new"].audited) == (False, True)
    assert [found[name].metrics["bits-per-dim"].valid for name in ("old", "new")] == [False, True]
    assert [row.label for row in make_report(read_results(tmp_path)).boards[0].apart[UNAUDITED]] == ["old"]


@pytest.mark.parametrize(
    ("conditions", "objections", "exactness", "estimated"),
    [
        ({"trace": "", "proposal": ""}, [], "exact", False),
        ({"trace": "exact"}, [], "exact", False),
        ({"trace": "hutchinson, rademacher probes", "proposal": ""}, [], "unbiased", True),
        ({"trace": "hutchinson", "proposal": "gaussian, K=1"}, [], "bound", True),
        ({"trace": "", "proposal": "uniform, width 1/17, K=1"}, [], "bound", False),
        ({"trace": ""}, ["no bound on it: a log-determinant is approximated"], "none", False),
    ],
)
def test_the_exactness_of_results_of_schema_2_follows_from_their_words(
    conditions: dict[str, str], objections: list[str], exactness: str, estimated: bool, tmp_path: Path
) -> None:
    write(tmp_path, measured("old", 2.5))
    path = tmp_path / "quick" / "0.json"
    plain = json.loads(path.read_text())
    side_by_side(plain)
    plain["schema"] = 2
    likelihood = plain["metrics"]["bits-per-dim"]
    del likelihood["exactness"], likelihood["estimated"]
    likelihood["conditions"] |= conditions
    likelihood["objections"] = objections
    path.write_text(json.dumps(plain))

    (found,) = read_results(tmp_path).results

    measurement = found.metrics["bits-per-dim"]
    assert (measurement.exactness, measurement.estimated) == (exactness, estimated)
    assert isinstance(measurement.exactness, Exactness)


def test_the_recorded_results_of_schema_1_are_shown_apart() -> None:
    folder = Path(__file__).parents[3] / "benchmarks" / "results" / "suites"
    for made in make_report(read_results(folder)).boards:
        unaudited = [row for row in made.rows if row.finished and not row.audited]
        assert not [each for each in made.ranked if each.row in unaudited]
