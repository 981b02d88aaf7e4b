"""``bench report`` and ``bench compare`` from the command line."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from flowzoo.bench.compare import VERDICTS
from flowzoo.bench.report.blocks import JOINT, TITLES
from flowzoo.bench.report.leaderboard import FAILED, INVALID
from flowzoo.bench.store import ResultsError
from flowzoo.cli.bench import list_suites
from flowzoo.cli.bench_compare import compare
from flowzoo.cli.bench_report import report
from flowzoo.errors import FileError
from flowzoo.exactness import Exactness
from flowzoo.metric import Measurement
from tests.bench.report.made_up import CUDA, DIGITS, bits, failed, result, write

app = typer.Typer()
app.command("report")(report)
app.command("compare")(compare)
app.command("list")(list_suites)

LONG = "a-model-whose-name-is-longer-than-anybody-should-call-a-model-" + "x" * 40


def bench(*arguments: str | Path, columns: int = 80) -> Result:
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(app, [str(each) for each in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    wrong = bits(0.5, valid=False, objections=("the solver errs " * 10,))
    speed = {"train-speed": Measurement(1234567.0, "images/s", "higher", 10.0)}
    cells = [
        result("glow", 2.5, metrics=speed),
        result("glow", 2.6, metrics=speed, seed=1),
        result("glow", 2.4, metrics=speed, environment=CUDA),
        result("gaussian", 2.45),
        result(LONG, 2.7, metrics=speed),
        result("wrong", metrics={"bits-per-dim": wrong}),
        result("joint", metrics={"bits-per-dim": bits(2.2, joint=1.0)}),
        failed("broken", reason="a reason " * 30, cause="out-of-memory"),
        failed("glow", seed=2),
        result("glow", 9.0, date="2020-01-01T00:00:00Z"),
        result("glow", 1.5, data=replace(DIGITS, name="other")),
    ]
    write(tmp_path / "results", *cells)
    (tmp_path / "results" / "quick" / "cut.json").write_text("{")
    return tmp_path / "results"


def test_a_report_fits_80_columns_and_leaves_nothing_out(folder: Path) -> None:
    done = bench("report", folder)
    assert done.exit_code == 0, done.output
    assert max(len(line) for line in done.output.splitlines()) <= 80
    text = " ".join(done.output.split())
    for part in (
        TITLES[INVALID],
        JOINT,
        TITLES[FAILED],
        "out-of-memory",
        "worse than the Gaussian",
        "sd 0.071",
        "10 cells, 2 failed; 1 file skipped, 1 superseded",
        "skipped quick/cut.json",
    ):
        assert part in text
    assert "a-model-" in done.output
    ranks = [
        line.split()[:2]
        for line in done.output.splitlines()
        if line[:5].strip().isdigit() or line.startswith("floor")
    ]
    assert ranks[:3] == [["1", "joint"], ["floor", "gaussian"], ["1", "glow"]]


def test_all_files_are_written(folder: Path, tmp_path: Path) -> None:
    kinds = ("html", "markdown", "csv", "latex")
    paths = {kind: tmp_path / f"report.{kind}" for kind in kinds}
    done = bench("report", folder, *(part for kind in kinds for part in (f"--{kind}", str(paths[kind]))))
    assert done.exit_code == 0, done.output
    assert paths["html"].read_text().startswith("<!doctype html>")
    assert paths["markdown"].read_text().startswith("# flowzoo benchmark report")
    assert "\\toprule" in paths["latex"].read_text()
    with paths["csv"].open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 8
    assert f"wrote {paths['csv']}" in done.output.replace("\n", "")


def test_the_terminal_shows_the_metrics_for_which_there_is_room(tmp_path: Path) -> None:
    others = {f"acme-{number}": Measurement(float(number), "points") for number in range(3)}
    write(tmp_path, result("glow", 2.5, metrics=others))
    narrow, wide = (bench("report", tmp_path, columns=columns).output for columns in (60, 120))
    assert "3 more metrics in --html, --csv, --markdown, --latex" in narrow
    assert "training-seconds" in narrow
    assert "acme-2" in wide
    assert "more metric" not in wide


def test_unsteady_speeds_estimates_and_bounds_are_marked_and_explained(tmp_path: Path) -> None:
    def speed(value: float, error: float) -> Measurement:
        return Measurement(value, "images/s", "higher", error, repeats=False)

    bound = bits(2.0, conditions={"draws": 4}, exactness=Exactness.BOUND, estimated=True)
    write(
        tmp_path,
        result("a", metrics={"bits-per-dim": bound, "train-speed": speed(50, 10.5)}),
        result("b", 2.5, metrics={"train-speed": speed(70, 13.5)}),
    )
    text = bench("report", tmp_path).output
    assert "a †" in text
    assert "~50" in text
    assert "~70" not in text
    assert "bound, K=4" in text
    assert "bound, K=n: " in text
    assert "† computed with Hutchinson" in text
    assert "~ half the interquartile range is more than 20% of the figure" in text
    steady = bench("report", write(tmp_path / "other", result("b", 2.5))).output
    assert "†" not in steady
    assert "~" not in steady


@pytest.mark.parametrize("columns", [80, 99])
def test_suites_are_listed_readably_on_a_narrow_terminal(columns: int) -> None:
    done = bench("list", columns=columns)
    assert done.exit_code == 0, done.output
    assert max(len(line) for line in done.output.splitlines()) <= columns
    assert "…" not in done.output
    assert "Every model on digits, minutes on a laptop" in done.output
    assert "imagenet32-oord, imagenet32-box" in done.output


def test_suites_are_listed_on_a_line_each_where_there_is_room() -> None:
    lines = bench("list", columns=400).output.splitlines()
    names = [line.split()[0] for line in lines]
    assert {"suite", "quick", "imagenet32"} < set(names)
    assert len(set(names)) == len(names)


def test_mistakes_are_errors_that_say_what_to_do(folder: Path, tmp_path: Path) -> None:
    missing = bench("report", tmp_path / "nowhere")
    assert isinstance(missing.exception, ResultsError)
    unwritable = bench("report", folder, "--csv", tmp_path / "nowhere" / "report.csv")
    assert isinstance(unwritable.exception, FileError)


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    write(tmp_path, result("a\x1b[31mb", 2.0), failed("c", reason="\x1b]0;title\x07"))
    done = bench("report", tmp_path)
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output
    assert "\x07" not in done.output


def test_compare_prints_and_fits(folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", result("glow", 2.6), failed("joint"), result("new", 2.0))
    done = bench("compare", folder, other)
    assert done.exit_code == 0, done.output
    assert max(len(line) for line in done.output.splitlines()) <= 80
    assert "+0.100 ± 0.014" in done.output
    assert "* worse" in done.output
    assert VERDICTS["worse"] in " ".join(done.output.split())
    assert "A finished, B failed" in done.output
    assert "only in B\n  quick · digits · new · seed 0 (cpu, float32)" in done.output
    assert "sqrt(e1² +" in done.output


def test_compare_as_json(folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", result("gaussian", 2.45))
    done = bench("compare", folder, other, "--json")
    found = json.loads(done.stdout)
    (pair,) = found["pairs"]
    assert (pair["label"], pair["changes"][0]["verdict"]) == ("gaussian", "equal")
    assert len(found["only_first"]) == 9
    assert len(found["skipped"]["A"]) == 1


def test_compare_warns_of_changed_images_before_anything_else(folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", result("gaussian", 2.4, data=replace(DIGITS, revision="ffff0000")))
    done = bench("compare", folder, other)
    assert "1a2b3c4d5e6f" in done.output.splitlines()[0] + done.output.splitlines()[1]
    assert "ffff0000" in done.output.splitlines()[0] + done.output.splitlines()[1]
