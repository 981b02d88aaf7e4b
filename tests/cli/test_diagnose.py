"""``diagnose`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from flowzoo.cli.app import app
from flowzoo.evaluation import diagnosis
from flowzoo.evaluation.diagnosis import Diagnosis
from flowzoo.evaluation.findings import Row

FOUND = Diagnosis(
    images=64,
    solver="dopri5, tolerance 1e-05",
    forward_seconds=1.234,
    backward_seconds=0.5,
    rows=(
        Row(
            "level 0, conditional", "block 0, forward", 1, {"evaluations": 12345.0, "error of v": 0.00012349}
        ),
        Row("level 10, conditional", "block 0, backward", 1, {"evaluations": 24.0, "longest step": 0.5}),
    ),
    advice=("Do this.", "Do that."),
)


def flowzoo(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "realnvp"
    result = flowzoo(
        "train", "realnvp", "--data", "digits", "--out", folder, "--steps", "1", "--set", "preset=paper"
    )
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let every run have the same findings; returns what the command asks for."""
    asked: dict[str, Any] = {}

    def diagnose_run(path: Path, split: str, **options: Any) -> Diagnosis:
        asked.update(options, path=path, split=split)
        return FOUND

    monkeypatch.setattr(diagnosis, "diagnose_run", diagnose_run)
    return asked


def test_the_table_lines_up(solved: dict[str, Any]) -> None:
    result = flowzoo("diagnose", "r", "--images", "7", "--seed", "3", "--split", "train", "--device", "cpu")
    assert result.exit_code == 0, result.output
    given = {"path": Path("r"), "split": "train", "images": 7, "seed": 3, "device": "cpu"}
    assert solved == given | {"data": None, "data_options": {}}
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    above, below, *rows = lines[lines.index("") + 1 :][:6]
    assert [row.split() for row in rows] == [
        ["level", "0,", "conditional"],
        ["block", "0,", "forward", "12,300", "0.000123", "-"],
        ["level", "10,", "conditional"],
        ["block", "0,", "backward", "24", "-", "0.5"],
    ]
    for name in ("evaluations", "error", "longest"):
        end = (above if name in above else below).index(name) + len(name)
        for row in (rows[1], rows[3]):
            assert row[end - 1] != " "
            assert row[end : end + 1] in ("", " ")
    assert rows[1].index("block 0") == rows[3].index("block 0") == 2
    assert lines[-2:] == ["Do this.", "Do that."]
    assert "64 image(s)" in result.stdout
    assert "1.23 s" in result.stdout


def test_a_narrow_terminal_cuts_no_figure(solved: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    narrow = flowzoo("diagnose", "r").stdout
    monkeypatch.delenv("COLUMNS")
    wide = flowzoo("diagnose", "r").stdout
    rows = [line.rstrip() for line in wide.splitlines() if "level" in line]
    assert rows == [line.rstrip() for line in narrow.splitlines() if "level" in line]
    assert len(rows) == 2


def test_json_holds_all_of_it(solved: dict[str, Any]) -> None:
    found = json.loads(flowzoo("diagnose", "r", "--json").stdout)
    assert found["rows"][1]["figures"] == {"evaluations": 24.0, "longest step": 0.5}
    assert found["advice"] == ["Do this.", "Do that."]
    assert found["backward_seconds"] == 0.5


def test_a_continuous_flow_reports_on_each_block_in_both_directions(tmp_path: Path) -> None:
    tiny = [
        "--set",
        "levels=2",
        "--set",
        "bijector.blocks=2",
        "--set",
        "bijector.network={name: conv-field, hidden: 4}",
    ]
    tiny += ["--set", "normalise=standardise", "--set", "precondition=null"]
    result = flowzoo("train", "mrcnf", "--data", "digits", "--out", tmp_path / "run", "--steps", "1", *tiny)
    assert result.exit_code == 0, result.output
    found = json.loads(flowzoo("diagnose", tmp_path / "run", "--images", "4", "--json").stdout)
    parts = [(row["component"].split(",")[0], row["part"]) for row in found["rows"]]
    ways = ["block 0, forward", "block 1, forward", "block 1, backward", "block 0, backward"]
    assert parts == [(level, way) for level in ("level 0", "level 1") for way in ways]
    assert {"evaluations", "steps", "shortest step", "kinetic energy"} <= found["rows"][0]["figures"].keys()


def test_a_model_without_solvers_gets_one_clear_line(run: Path) -> None:
    result = flowzoo("diagnose", run, "--images", "4")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].startswith("This model has no ODE solver")
    assert "4 sample(s)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "not a run folder"),
        (["RUN", "--split", "tset"], "did you mean 'test'"),
        (["RUN", "--seed", "-1"], "the seed is -1"),
        (["RUN", "--device", "gpu"], "no device 'gpu'"),
    ],
)
def test_mistakes_get_one_line_and_exit_code_2(run: Path, arguments: list[str], message: str) -> None:
    result = flowzoo("diagnose", *(str(run) if each == "RUN" else each for each in arguments))
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_help_has_an_example() -> None:
    result = flowzoo("diagnose", "--help")
    assert result.exit_code == 0
    assert "Example: flowzoo diagnose" in result.stdout
