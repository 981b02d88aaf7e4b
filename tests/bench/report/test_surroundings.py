"""Rows of other machines and versions are marked, and their speeds are set apart."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowzoo.bench.report.blocks import ELSEWHERE, ELSEWHERE_SIGN, Block, all_costs, blocks, legend
from flowzoo.bench.report.charts import chart_data
from flowzoo.bench.report.csv_text import csv_text
from flowzoo.bench.report.latex import latex
from flowzoo.bench.report.leaderboard import Leaderboard, Report, make_report
from flowzoo.bench.report.markdown import markdown
from flowzoo.bench.report.page import page
from flowzoo.bench.report.surroundings import differing, software_of
from flowzoo.bench.result import Environment, Result
from flowzoo.bench.store import Results, identity
from flowzoo.experiment.budget import Budget
from flowzoo.metric import Measurement
from tests.bench.report.made_up import CPU, CUDA, result

SPEED = Measurement(1234.0, "images/s", "higher", 1.0, repeats=False)
OTHER_SPEED = Measurement(9876.0, "images/s", "higher", 1.0, repeats=False)
EVALUATIONS = Measurement(48.0, "", "lower")


def hardware(**changes: Any) -> Environment:
    return replace(CPU, hardware={**CPU.hardware, **changes})


def versions(**changes: str) -> Environment:
    return replace(CPU, versions={**CPU.versions, **changes})


DIFFERENCES = {
    "processor": (hardware(processor="EPYC"), "processor EPYC, not Xeon"),
    "cores": (hardware(cores=64), "cores 64, not 2"),
    "memory": (hardware(memory_gib=16), "memory in GiB 16, not 8"),
    "threads": (replace(CPU, threads=8), "threads 8, not 1"),
    "jobs": (replace(CPU, jobs=2), "cells at the same time 2, not 1"),
    "python": (versions(python="3.12.1"), "python 3.12.1, not 3.11.9"),
    "torch": (versions(torch="2.7.0"), "torch 2.7.0, not 2.6.0"),
    "flowzoo": (versions(flowzoo="0.2.0"), "flowzoo 0.2.0, not 0.1.0"),
    "plugin": (
        replace(CPU, plugins={"flowzoo-coupling": "0.2.0"}),
        "flowzoo-coupling 0.2.0, not 0.1.0",
    ),
    "commit": (replace(CPU, commit="ffff"), "code of flowzoo commit ffff, not commit 0123abcd"),
    "changed files": (
        replace(CPU, commit="0123abcd-dirty"),
        "code of flowzoo commit 0123abcd-dirty, not commit 0123abcd",
    ),
    "no checkout": (replace(CPU, commit=""), "code of flowzoo commit none, not commit 0123abcd"),
}


def cells(environment: Environment, **more: Any) -> list[Result]:
    """Return two rows of the usual machine and one, ``odd``, of another."""
    metrics = {"train-speed": SPEED, "evaluations": EVALUATIONS}
    return [
        result("a", 2.0, metrics=metrics),
        result("b", 2.1, metrics=metrics),
        result("odd", 1.9, metrics={**metrics, "train-speed": OTHER_SPEED}, environment=environment, **more),
    ]


def results(*given: Result) -> Results:
    return Results(given, (), 0, {identity(each): Path() for each in given})


def report(*given: Result) -> Report:
    return make_report(results(*given))


def board(*given: Result) -> Leaderboard:
    (only,) = report(*given).boards
    return only


def marked(made: Leaderboard) -> dict[str, tuple[str, ...]]:
    return {row.label: row.elsewhere for row in made.rows if row.elsewhere}


def block_of(made: Leaderboard, title: str) -> Block:
    return next(each for each in blocks(made, all_costs(made)) if each.title == title)


def test_another_commit_with_the_same_code_is_no_difference() -> None:
    known = replace(CPU, fingerprints={"flowzoo": "1111"})
    later, changed = replace(known, commit="ffff"), replace(known, fingerprints={"flowzoo": "2222"})
    facts = [software_of(each) for each in (known, later, changed, CPU)]
    assert [[name for name, _, _ in differing(each, facts[0])] for each in facts] == [
        [],
        [],
        ["code of flowzoo"],
        ["code of flowzoo"],
    ]


@pytest.mark.parametrize("kind", DIFFERENCES)
def test_whatever_differs_is_named_and_the_speeds_set_apart(kind: str) -> None:
    environment, said = DIFFERENCES[kind]
    made = board(*cells(environment))
    assert marked(made) == {"odd": (said,)}
    # It is ranked still: bits/dim are those of the same images.
    assert [each.row.label for each in made.ranked] == ["odd", "a", "b"]
    (note,) = (note for note in made.notes if said in note)
    assert note.startswith("odd: measured on another machine or with other versions")
    ranking, apart = block_of(made, ""), block_of(made, ELSEWHERE)
    place = [column.name for column in ranking.columns].index("train-speed")
    assert [row[place] for row in ranking.rows] == [ELSEWHERE_SIGN, "1.23k", "1.23k"]
    assert [row[1] for row in ranking.rows] == [f"odd {ELSEWHERE_SIGN}", "a", "b"]
    assert [column.name for column in apart.columns] == [
        "model",
        "training-seconds",
        "train-speed",
        "what differs",
    ]
    assert [(row[0], row[2][:5], row[3]) for row in apart.rows] == [("odd", "9.88k", said)]
    # What no machine changes stays where it is.
    place = [column.name for column in ranking.columns].index("evaluations")
    assert [row[place] for row in ranking.rows] == ["48", "48", "48"]
    assert any(line.startswith(ELSEWHERE_SIGN) for line in legend(made, all_costs(made)))


@pytest.mark.parametrize(
    "environment",
    [CPU, hardware(memory_gib=8.1), hardware(memory_gib=7.8), replace(CPU, plugins={"flowzoo-x": "9"})],
    ids=["nothing", "a little more memory", "a little less memory", "another model's plugin"],
)
def test_what_is_as_usual_is_not_marked(environment: Environment) -> None:
    made = board(*cells(environment, date="2031-01-01T00:00:00+00:00"))
    assert marked(made) == {}
    assert made.notes == ()
    assert [block.title for block in blocks(made, all_costs(made))] == [""]
    assert not any(ELSEWHERE_SIGN in line for line in legend(made, all_costs(made)))


def test_a_gpu_s_kind_differs_too() -> None:
    other = replace(CUDA, hardware={"gpu": "A100"})
    made = board(*(replace(each, environment=CUDA) for each in cells(CUDA)[:2]), cells(other)[2])
    assert marked(made) == {"odd": ("GPU A100, not H100",)}


def test_other_precisions_have_leaderboards_of_their_own() -> None:
    boards = report(*cells(replace(CPU, precision="bfloat16"))).boards
    assert [[row.label for row in made.rows] for made in boards] == [["odd"], ["a", "b"]]
    assert [marked(made) for made in boards] == [{}, {}]


def test_of_as_many_rows_the_newest_are_the_usual_ones_and_the_floor_does_not_count() -> None:
    old, new = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"
    upgraded = versions(torch="2.7.0")
    given = [
        result("a", 2.0, date=new, environment=upgraded),
        result("b", 2.1, date=old),
        result("gaussian", 2.5, date=old),
    ]
    assert marked(board(*given)) == dict.fromkeys(("b", "gaussian"), ("torch 2.6.0, not 2.7.0",))
    assert marked(board(*reversed(given))) == marked(board(*given))


def test_the_speeds_of_a_row_are_those_of_the_seeds_that_ran_on_the_usual_machine() -> None:
    metrics = {"train-speed": replace(SPEED, value=5.0), "evaluations": EVALUATIONS}
    other = result("odd", 2.1, seed=1, environment=replace(CPU, threads=4), metrics=metrics)
    made = board(*cells(CPU), other)
    (row,) = (each.row for each in made.ranked if each.row.label == "odd")
    assert marked(made) == {}
    assert row.bits == pytest.approx(2.0)  # the likelihood is that of both seeds
    assert row.figures["train-speed"].value == OTHER_SPEED.value
    assert "speeds of seed 0" in row.remarks
    assert [each.seed for each in row.timed] == [0]


def test_a_row_none_of_whose_seeds_ran_on_the_usual_machine_says_what_differs() -> None:
    four, eight = replace(CPU, threads=4), replace(CPU, threads=8)
    made = board(*cells(four), result("odd", 1.9, seed=1, environment=eight))
    assert marked(made) == {"odd": ("seed 0: threads 4, not 1", "seed 1: threads 8, not 1")}
    assert made.ranked[0].row.is_apart("train-speed")


def test_each_other_machine_has_a_note_of_its_own() -> None:
    third = result("third", 2.2, environment=replace(CPU, threads=4))
    fourth = result("fourth", 2.3, environment=replace(CPU, threads=4))
    made = board(*cells(replace(CPU, threads=8)), result("c", 2.4), third, fourth)
    assert [note.partition(":")[0] for note in made.notes][:2] == ["odd", "fourth, third"]


def test_budgets_in_seconds_are_said_to_depend_on_the_machine() -> None:
    note = "trainings that are given seconds get further on a faster machine"
    by_seconds = cells(replace(CPU, threads=8))
    by_steps = [
        replace(each, experiment=replace(each.experiment, budget=Budget(steps=500))) for each in by_seconds
    ]
    assert any(each.startswith(note) for each in board(*by_seconds).notes)
    assert not any(each.startswith(note) for each in board(*by_steps).notes)


def test_where_nothing_is_known_of_the_machine_nothing_is_marked() -> None:
    unknown = result("a", 2.0, environment=None)
    assert marked(board(unknown)) == {}


def test_every_kind_of_report_sets_the_speeds_apart() -> None:
    environment, said = DIFFERENCES["threads"]
    given = results(*cells(environment))
    made = make_report(given)

    lines = markdown(made).splitlines()
    (ranked,) = (line for line in lines if line.startswith("| 1 | odd ‡ |"))
    assert "9.88k" not in ranked
    assert any(line.startswith("| odd |") and "9.88k" in line and said in line for line in lines)

    text = latex(made)
    assert "odd \\textdaggerdbl{}" in text
    assert ELSEWHERE in text

    rows = {row["label"]: row for row in csv.DictReader(io.StringIO(csv_text(made)))}
    assert (rows["odd"]["train-speed"], rows["odd"]["train-speed elsewhere"]) == ("", "9876.0")
    assert (rows["a"]["train-speed"], rows["a"]["train-speed elsewhere"]) == ("1234.0", "")
    assert (rows["odd"]["what differs"], rows["a"]["what differs"]) == (said, "")
    assert rows["odd"]["evaluations"] == "48.0"

    (drawn,) = chart_data(made)
    speeds = [each["name"] for each in drawn["costs"]].index("train-speed")
    assert {row["name"]: row["costs"][speeds] for row in drawn["rows"]} == {"odd": None, "a": 1234, "b": 1234}

    html = page(made, given)
    (tag,) = re.findall(r'<tr data-row="odd" .*?</tr>', html.partition("</table>")[0], re.S)
    assert f'<sup title="{said}">‡</sup>' in tag
    assert "9876" not in tag
    assert ELSEWHERE in html


def test_without_other_machines_a_csv_has_no_columns_for_them() -> None:
    assert "elsewhere" not in csv_text(report(*cells(CPU))).splitlines()[0]
