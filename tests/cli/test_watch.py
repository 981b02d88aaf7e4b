"""``flowzoo watch``: what it prints of runs that start, train, have stopped or are finished."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from flowzoo.cli.app import app
from flowzoo.cli.run_picture import picture
from flowzoo.cli.run_state import read_state
from flowzoo.cli.text_chart import text_chart
from flowzoo.experiment.parse import parse_experiment
from flowzoo.runfolder import RunFolder, RunRecord
from flowzoo.training.log import TrainingLog


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, so that paths are short."""
    monkeypatch.chdir(tmp_path)


def run(name: str, *records: dict[str, Any], steps: int | None = 100, **fields: Any) -> Path:
    """Write a run folder whose log holds records."""
    folder = Path(name)
    folder.mkdir()
    budget = {"seconds": 60.0} if steps is None else {"steps": steps}
    asked = parse_experiment({"model": "gaussian", "data": "digits", "budget": budget})
    RunFolder(folder).write(RunRecord(asked, **fields))
    log = TrainingLog(folder / "log.jsonl")
    for record in records:
        log.append({"stage": "all levels", **record})
    return folder


def step(number: int, loss: float, **others: Any) -> dict[str, Any]:
    facts = {"learning_rate": 0.001, "gradient_norm": 1.5, "images_per_second": 1234.0}
    return {
        "step": number,
        "seconds": number / 10,
        "objective": "likelihood",
        "loss": loss,
        **facts,
        **others,
    }


def validation(number: int, bits: float, **others: Any) -> dict[str, Any]:
    figures = {"validation_bits_per_dim": bits, "validation_standard_error": 0.01}
    return {"step": number, "seconds": number / 10, **figures, **others}


RECORDS = (step(10, 3.0), step(20, 2.5), validation(20, 2.4), step(30, 2.25), step(40, 2.1))


@contextmanager
def training(folder: Path) -> Iterator[None]:
    """Hold a run's lock as a process does that trains it."""
    with RunFolder(folder).locked():
        yield


def watch(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["watch", *map(str, arguments)], env={"COLUMNS": "80"})
    assert result.exit_code == code, result.output
    return result.output


def test_a_run_that_trains_shows_curves_figures_and_the_time_left() -> None:
    folder = run("run", *RECORDS)
    with training(folder):
        shown = watch(folder, "--once")
    assert "\x1b" not in shown
    words = " ".join(shown.split())
    # 40 of 100 steps took 4 seconds, so 6 are left.
    assert "gaussian on digits, running step 40 of 100 (40%), 0:04 so far, 0:06 left" in words
    assert "trains: all levels" in words
    assert "validation 2.4000 ± 0.0100 bits/dim (step 20)" in words
    assert "learning rate 0.001" in words
    assert "1,234 images/s" in words
    assert ". training" in shown
    assert "o validation" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_a_run_that_starts_says_so() -> None:
    Path("run").mkdir()
    with training(Path("run")):
        assert watch("run", "--once") == "run: starting\n"
    folder = run("second")
    with training(folder):
        assert "starting  step 0 of 100 (0%)" in watch(folder, "--once")


def test_a_run_that_has_stopped_says_how_it_goes_on() -> None:
    folder = run("run", *RECORDS)
    (folder / ".lock").touch()  # a killed process leaves it
    shown = watch(folder)
    assert "stopped" in shown
    assert f"flowzoo train --resume --out {folder}" in " ".join(shown.split())
    assert "left" not in shown


def test_a_finished_run_is_shown_once() -> None:
    folder = run("run", *RECORDS, status="finished", steps=40)
    shown = watch(folder)
    assert "finished  step 40 of 40, trained for 0:04" in shown


def test_a_folder_without_a_run_is_refused_in_one_line() -> None:
    shown = watch(".", code=2)
    assert len(shown.splitlines()) == 1
    assert "is not a run folder" in shown


def test_several_runs_are_compared_by_their_validations() -> None:
    first = run("first", *RECORDS, validation(40, 2.0))
    second = run("second", step(10, 3.0), validation(10, 2.8), steps=None)
    levels = [validation(10, 1.0, stage="level 1"), validation(20, 1.5, stage="level 0")]
    third = run("third", *levels)
    shown = watch(first, second, third, "--once")
    assert "validation 2.0000 ± 0.0100 bits/dim (step 40)" in " ".join(shown.split())
    assert f"o {first}" in shown
    assert f"+ {second}" in shown
    assert "third: no curve" in shown
    assert f"x {third}" not in shown
    assert "seconds of training" in shown  # since a budget is in seconds
    assert "steps of training" in watch(first, second, "--across", "steps")


def test_losses_of_other_objectives_have_a_chart_of_their_own() -> None:
    matching = {"stage": "all levels, flow-matching", "objective": "flow-matching"}
    folder = run("run", step(10, 40.0, **matching), step(20, 30.0, **matching), validation(20, 2.4))
    state = read_state(folder)
    assert state.likelihoods == {"validation": [(20.0, 2.0, 2.4)]}
    assert state.losses == {"flow-matching": [(10.0, 1.0, 40.0), (20.0, 2.0, 30.0)]}
    shown = watch(folder)
    assert shown.index("bits/dim\n") < shown.index("loss of flow-matching\n")


def test_a_validation_without_a_figure_is_said() -> None:
    folder = run("run", *RECORDS, {"step": 50, "validation_error": "not finite"})
    assert "the validation at step 50 gave no figure: not finite" in watch(folder)


def test_records_of_older_versions_are_shown() -> None:
    old = {"step": 10, "seconds": 1.0, "loss": 2.5, "images_per_second": 100.0, "counts": {}}
    folder = run("run", old, {"step": 10, "seconds": 1.0, "validation_bits_per_dim": 2.4})
    assert "validation 2.4000 bits/dim (step 10)" in watch(folder)


def test_charts_fit_a_low_screen() -> None:
    state = read_state(run("run", *RECORDS, validation(40, 2.0)))
    for height in (18, 24, 60):
        assert len(picture([state], None, 80, height)) <= height
    lines = text_chart({"a": [(0, 3.0), (10, 1.0)]}, 40, "steps", "bits/dim", height=6)
    assert len(lines) == 6 + 3


def test_watching_ends_with_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, it looks again and again."""
    from flowzoo.cli import run_state
    from flowzoo.cli import watch as module

    folder, screen = run("run", *RECORDS), io.StringIO()
    monkeypatch.setattr(module, "_EVERY", 0.05)
    monkeypatch.setattr(module, "console", lambda: _terminal(screen))
    looked = threading.Event()
    read = run_state.read_state

    def reading(path: Path) -> Any:
        state = read(path)
        if state.status == "running":
            looked.set()
        return state

    monkeypatch.setattr(run_state, "read_state", reading)

    def finish() -> None:
        looked.wait(10)
        record = RunFolder(folder).read()
        RunFolder(folder).write(RunRecord(record.experiment, status="finished", steps=100))

    thread = threading.Thread(target=finish)
    with training(folder):
        thread.start()
        module.watch([folder])
        thread.join()
    assert looked.is_set()
    assert "running" in screen.getvalue()
    assert "finished" in screen.getvalue().split("running")[-1]


def _terminal(screen: io.StringIO) -> Console:
    return Console(file=screen, force_terminal=True, width=80, height=24)


def test_figures_that_are_no_finite_numbers_are_left_out() -> None:
    folder = run("run", step(1, 2.5), validation(1, 2.6))
    with (folder / "log.jsonl").open("a") as log:
        log.write('{"step": 2, "seconds": "x", "loss": -Infinity}\n{"step": 3, "loss": null, "samples": 4}\n')
        log.write('{"step": 4, "validation_bits_per_dim": "a"}\n')
    state = read_state(folder)
    assert state.likelihoods == {"training": [(1.0, 0.1, 2.5)], "validation": [(1.0, 0.1, 2.6)]}
    assert state.samples is None
    assert CliRunner().invoke(app, ["watch", "run"]).exit_code == 0


def test_levels_that_train_apart_are_watched_together() -> None:
    folder = run("run")
    for level, steps in ((0, 10), (1, 30)):
        place = folder / "levels" / str(level)
        place.mkdir(parents=True)
        log = TrainingLog(place / "log.jsonl")
        for number in (steps // 2, steps):
            log.append({"stage": f"level {level}", **step(number, 2.0 + level)})
        log.append({"stage": f"level {level}", **validation(steps, 1.5 + level)})
    with training(folder):
        words = " ".join(watch(folder, "--once").split())
    # 40 of 100 steps took 3 seconds, since the levels train at the same time.
    assert "running step 40 of 100 (40%), 0:03 so far, 0:04 left" in words
    assert "trains: level 0, level 1" in words
    assert read_state(folder).likelihoods["validation of level 1"] == [(30.0, 3.0, 2.5)]
    assert "stopped step 40 of 100 (40%), 0:03 so far" in " ".join(watch(folder, "--once").split())


def test_a_file_is_not_a_run() -> None:
    Path("file").write_text("x")
    shown = CliRunner().invoke(app, ["watch", "file"])
    assert shown.exit_code == 2
    assert "file is not a run folder" in shown.stderr
