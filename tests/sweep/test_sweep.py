"""Sweeps: what is searched, what is recorded, what an interruption costs, and what is refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from flowzoo.bench.cell import Cell
from flowzoo.bench.result import STOPPED, Failure, Result
from flowzoo.bench.store import read_results
from flowzoo.cli.app import app
from flowzoo.errors import OptionError
from flowzoo.sweep import run, study
from flowzoo.sweep.run import SweepError, run_sweep
from flowzoo.sweep.settings import read_sweep
from tests.bench.report.made_up import bits, failed, result

pytest.importorskip("optuna", reason="the extra sweep is not installed")

FILE: dict[str, Any] = {
    "model": "glow",
    "options": {"levels": 1, "last": {"steps": 1, "network": {"hidden": 4}}},
    "data": "digits",
    "budget": {"steps": 8},
    "training": {"validations": 4, "validation_images": 16},
    "trials": 6,
    "images": 30,
    "search": {
        "training.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
        "training.batch_size": {"low": 8, "high": 16},
        "training.optimiser": ["adam", "adamax"],
    },
    "threads": 1,
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a sweep's file, with some keys changed; None leaves a key out."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "search.yaml"
        content = {key: value for key, value in {**FILE, **changes}.items() if value is not None}
        path.write_text(yaml.safe_dump(content))
        return path

    return write


class MadeUpRunner:
    """Stands in for the runner of cells: the best learning rate is 1e-3."""

    ran: list[Cell]
    interrupt_at: int | None = None
    fails = False

    def __init__(self, out: Path, **options: Any) -> None:
        self._stop = options["stop"]

    def run(self, cells: Sequence[Cell]) -> list[Result]:
        return [self._one(cell) for cell in cells]

    def _one(self, cell: Cell) -> Result:
        if len(self.ran) == self.interrupt_at:
            raise KeyboardInterrupt
        self.ran.append(cell)
        if self.fails:
            return failed(cell.label)
        figure = 2 + abs(math.log10(cell.experiment.training.learning_rate) + 3)
        for step in range(1, 5):
            reason = self._stop(cell, "training, all levels", step / 4, figure + 1 / step)
            if reason:
                return replace(failed(cell.label), failure=Failure("training", STOPPED, reason))
        return replace(result(cell.label), metrics={"bits-per-dim": bits(figure)})


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> type[MadeUpRunner]:
    class Fresh(MadeUpRunner):
        ran: list[Cell] = []  # noqa: RUF012  # a class of its own for each test

    monkeypatch.setattr(run, "Runner", Fresh)
    return Fresh


def test_an_interruption_loses_nothing_and_the_trial_goes_on_with_its_values(
    write: Callable[..., Path], tmp_path: Path, made_up: type[MadeUpRunner]
) -> None:
    sweep = read_sweep(write())
    made_up.interrupt_at = 3
    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep, tmp_path / "out")
    before = study.Study(sweep, tmp_path / "out").trials()
    assert [trial.state for trial in before] == ["finished"] * 3 + ["running"]

    made_up.interrupt_at = None
    after = run_sweep(sweep, tmp_path / "out")

    assert [trial.number for trial in after] == list(range(6))
    assert after[:3] == before[:3]
    assert after[3].values == before[3].values
    assert len({tuple(trial.values.items()) for trial in after}) == 6
    assert len(run_sweep(read_sweep(write(), trials=7), tmp_path / "out")) == 7


@pytest.mark.parametrize("lost", ["a part of a line", "its end", "almost all"])
def test_a_file_whose_last_line_is_incomplete_loses_that_line_alone(
    write: Callable[..., Path], tmp_path: Path, made_up: type[MadeUpRunner], lost: str
) -> None:
    out = tmp_path / "out"
    before = run_sweep(read_sweep(write(trials=2)), out)
    file = out / study.FILE
    whole = file.read_bytes()
    kept = {"a part of a line": whole[:-25], "its end": whole[:-1], "almost all": whole[:30]}[lost]
    file.write_bytes(kept)

    seen = study.Study(read_sweep(write()), out, writes=False).trials()
    assert file.read_bytes() == kept, "only a sweep that goes on mends the file"
    after = run_sweep(read_sweep(write(trials=3)), out)

    expected = {"a part of a line": ["finished", "running"], "its end": ["finished"] * 2, "almost all": []}
    assert [trial.state for trial in seen] == expected[lost]
    assert [trial.values for trial in seen] == [trial.values for trial in after[: len(seen)]]
    assert after[:1] == before[:1] or lost == "almost all"
    assert [trial.state for trial in after] == ["finished"] * 3
    assert study.Study(read_sweep(write()), out).trials() == after


def test_a_trial_whose_beginning_was_interrupted_gets_all_of_its_values(
    write: Callable[..., Path], tmp_path: Path, made_up: type[MadeUpRunner]
) -> None:
    out = tmp_path / "out"
    run_sweep(read_sweep(write(trials=1)), out)
    file = out / study.FILE
    lines = file.read_text().splitlines(keepends=True)
    (begun,) = (place for place, line in enumerate(lines) if "training.batch_size" in line)
    file.write_text("".join(lines[:begun]))

    (trial,) = run_sweep(read_sweep(write(trials=1)), out)

    assert set(trial.values) == set(FILE["search"])
    assert trial.state == "finished"


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda lines: [lines[0], b"\0\xff\n", *lines[1:]], "in line 2. .*delete this line"),
        (lambda lines: [lines[0], b"[1]\n", *lines[1:]], "in line 2. .*delete this line"),
        (lambda lines: [lines[0], b'{"op_code": 4}\n', *lines[1:]], "not of a study"),
    ],
)
def test_a_damaged_file_is_one_line_and_stays_as_it_is(
    write: Callable[..., Path],
    tmp_path: Path,
    made_up: type[MadeUpRunner],
    damage: Callable[[list[bytes]], list[bytes]],
    named: str,
) -> None:
    out = tmp_path / "out"
    run_sweep(read_sweep(write(trials=1)), out)
    file = out / study.FILE
    file.write_bytes(b"".join(damage(file.read_bytes().splitlines(keepends=True))))
    left = file.read_bytes()

    for shown in ([], ["--show"]):
        done = CliRunner().invoke(app, ["sweep", str(write()), "--out", str(out), *shown])

        assert done.exit_code == 2
        assert study.FILE in done.stderr
        assert re.search(named, done.stderr)
        assert done.stderr.count("\n") == 1
    assert file.read_bytes() == left


def test_bad_trials_are_pruned_and_the_best_is_found(
    write: Callable[..., Path], tmp_path: Path, made_up: type[MadeUpRunner]
) -> None:
    trials = run_sweep(read_sweep(write(trials=25)), tmp_path / "out")

    pruned = [trial for trial in trials if trial.state == "pruned"]
    finished = [trial for trial in trials if trial.state == "finished"]
    best = min(finished, key=lambda trial: trial.bits_per_dim or 0.0)
    assert len(pruned) + len(finished) == 25
    assert len(pruned) >= 3
    assert abs(math.log10(best.values["training.learning_rate"]) + 3) < 0.5
    assert all(trial.bits_per_dim is not None for trial in trials)
    assert all(isinstance(trial.values["training.batch_size"], int) for trial in trials)


def test_trials_that_all_fail_end_the_sweep(
    write: Callable[..., Path], tmp_path: Path, made_up: type[MadeUpRunner]
) -> None:
    made_up.fails = True

    with pytest.raises(SweepError, match="flowzoo bench report"):
        run_sweep(read_sweep(write()), tmp_path / "out")

    assert len(made_up.ran) == 5


def test_the_exit_status_tells_whether_each_trial_of_a_search_failed(
    write: Callable[..., Path], tmp_path: Path, made_up: type[MadeUpRunner]
) -> None:
    def searched(trials: int, *more: str) -> tuple[int, str]:
        command = ["sweep", str(write()), "--out", str(tmp_path / "out"), "--trials", str(trials), *more]
        done = CliRunner().invoke(app, command)
        return done.exit_code, done.stderr

    said = f"each trial of this search failed; for the reasons: flowzoo bench report {tmp_path / 'out'}\n"
    made_up.fails = True
    assert searched(2) == (1, said)
    assert searched(2, "--json", "--plot", str(tmp_path / "sweep.png")) == (1, said)
    assert searched(2, "--show") == (0, "")
    made_up.fails = False
    assert searched(3) == (0, "")
    assert searched(3) == (0, "")
    made_up.fails = True
    assert searched(4) == (1, said)

    first_five = CliRunner().invoke(app, ["sweep", str(write()), "--out", str(tmp_path / "other")])
    assert first_five.exit_code == 1
    assert "the first 5 trials failed" in first_five.stderr


def test_the_study_of_another_file_is_refused(
    write: Callable[..., Path], tmp_path: Path, made_up: type[MadeUpRunner]
) -> None:
    run_sweep(read_sweep(write(trials=1)), tmp_path / "out")

    with pytest.raises(OptionError, match="another --out"):
        run_sweep(read_sweep(write(budget={"steps": 9})), tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"serach": {}}, "serach"),
        ({"trials": None}, "minutes"),
        ({"trials": 0}, "trials"),
        ({"model": None}, "'model'"),
        ({"model": "glouw"}, "did you mean 'glow'"),
        ({"search": {}}, "'search'"),
        ({"search": {"blocks": 3}}, "'blocks'"),
        ({"search": {"blocks": {"low": 4, "high": 4}}}, "the range is empty"),
        ({"search": {"blocks": {"low": 0, "high": 4, "log": True}}}, "above 0"),
        ({"search": {"blocks": {"low": 1, "hihg": 4}}}, "did you mean 'high'"),
        ({"search": {"blocks": {"low": 4, "high": 10**400}}}, "'blocks': high is too large"),
        ({"search": {"blocks": [4, -(10**400)]}}, "'blocks': a number is too large"),
        ({"search": {"blocks": {"low": 4, "high": 8, "step": 3}}}, "do not end at 8; set high to 7 or 10"),
        ({"search": {"training.average": {"low": 0.1, "high": 0.35, "step": 0.1}}}, "to 0.3 or 0.4"),
        (
            {"search": {"training.average": {"low": 0.1, "high": 0.9, "step": 1e-30}}},
            "step 1e-30 is too small",
        ),
        ({"search": {"normalise": ["standardise"]}}, "two values"),
        ({"search": {"normalise": ["standardise", "bleach"]}}, "'normalise', value bleach"),
        ({"search": {"training.learning_rat": {"low": 0.1, "high": 0.2}}}, "did you mean 'learning_rate'"),
        ({"search": {"training.learning_rate": {"low": -0.1, "high": 0.2}}}, "learning_rate"),
        ({"search": {"training.average": {"low": 0.5, "high": 1.5}}}, "'training.average', value 1.5"),
        ({"search": {"data.size": {"low": 8, "high": 16}}}, r"data\.flips"),
        ({"training": {"batch_size": 4}}, "Leave one out"),
    ],
)
def test_mistakes_in_a_file_are_one_line(
    write: Callable[..., Path], changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(OptionError, match=named) as raised:
        read_sweep(write(**changes))

    assert "\n" not in str(raised.value)


def test_steps_that_end_at_high_are_taken_as_they_are_written(write: Callable[..., Path]) -> None:
    # As floats, three times 0.1 is more than 0.3.
    searched = {"training.average": {"low": 0.0, "high": 0.3, "step": 0.1}}

    assert read_sweep(write(search=searched)).space["training.average"].examples == (0.0, 0.3)


def test_without_optuna_the_command_to_install_it_is_named(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "find_spec", lambda name: None)

    done = CliRunner().invoke(app, ["sweep", str(write())])

    assert done.exit_code == 2
    assert "pip install 'flowzoo[sweep]'" in done.stderr


def test_trials_are_records_that_disclose_the_search_and_the_best_can_be_trained(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    out, file = tmp_path / "out", str(write(trials=2))

    done = CliRunner().invoke(app, ["sweep", file, "--out", str(out), "--jobs", "2", "--device", "cpu"])
    assert done.exit_code == 0, done.output

    found = read_results(out).results
    assert [each.label for each in found] == ["trial 0000", "trial 0001"]
    for each in found:
        figure = each.metrics["bits-per-dim"]
        assert figure.conditions["split"] == "validation"
        assert not figure.valid
        assert "validation images" in each.tuning
        assert "training.learning_rate 1e-05 to 0.1, log" in each.tuning
    assert found[0].suite_revision == found[1].suite_revision
    picture = tmp_path / "sweep.png"
    shown = CliRunner().invoke(
        app, ["sweep", file, "--out", str(out), "--show", "--json", "--plot", str(picture)]
    )
    trials = json.loads(shown.stdout)
    assert [trial["bits_per_dim"] for trial in trials] == [
        each.metrics["bits-per-dim"].value for each in found
    ]
    assert picture.stat().st_size > 1000
    best = min(trials, key=lambda trial: trial["bits_per_dim"])
    settings = CliRunner().invoke(app, ["train", "--config", str(out / "best.yaml"), "--print-config"])
    kept = yaml.safe_load(settings.stdout)["training"]["learning_rate"]
    assert kept == best["values"]["training.learning_rate"]
