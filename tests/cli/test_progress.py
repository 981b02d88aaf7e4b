"""How far long work is: lines where there is no terminal."""

from __future__ import annotations

from itertools import pairwise

import pytest

from flowzoo.bench.cell import cells_of
from flowzoo.bench.suites import find_suite
from flowzoo.cli import progress
from flowzoo.cli.progress import Pace, counting_each
from flowzoo.cli.suite_progress import SuiteProgress
from flowzoo.cli.training_progress import TrainingBar
from flowzoo.training.reporter import Progress, WorkReport


class Clock:
    """Time that passes as a test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    return clock


def training(step: int, **others: object) -> Progress:
    state = {
        "stage": "all levels",
        "step": step,
        "used": step / 400,
        "seconds": float(step),
        "seconds_left": 400.0 - step,
        "loss": 3.25,
        "images_per_second": 812.0,
        "bits_per_dim": None,
        "steps": 400,
    }
    return Progress(**{**state, **others})  # type: ignore[arg-type]


def test_lines_become_rarer_the_longer_the_work_takes(clock: Clock) -> None:
    pace, lines = Pace(), []
    for second in range(24 * 3600):
        clock.now = 1000.0 + second
        if pace.due():
            lines.append(second)
    assert lines[:3] == [10, 20, 30]
    assert 15 <= sum(second < 3600 for second in lines) <= 30
    assert len(lines) < 200
    assert max(after - before for before, after in pairwise(lines)) <= 600


def test_training_without_a_terminal_prints_step_validation_rate_and_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with TrainingBar() as bar:
        bar.update(training(1))
        assert capsys.readouterr().err == ""
        clock.now += 10
        bar.update(training(100, bits_per_dim=3.5, validated_at=80))
    (line,) = capsys.readouterr().err.splitlines()
    for said in ("step 100 of 400", "3.500 bits/dim (step 80)", "812 images/s", "5:00 left", "(25%)"):
        assert said in line


def test_a_validation_is_printed_with_its_own_step_and_the_last_one_too(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with TrainingBar() as bar:
        clock.now += 3
        bar.update(training(200, bits_per_dim=3.5, validated_at=200))
        bar.update(training(201, bits_per_dim=3.5, validated_at=200))  # shown already
        bar.update(training(400, bits_per_dim=3.5, validated_at=200))  # the validation is still to come
        bar.update(training(400, bits_per_dim=3.25, validated_at=400))
    first, last = capsys.readouterr().err.splitlines()
    assert "3.500 bits/dim (step 200)" in first
    assert "3.250 bits/dim (step 400)" in last


def test_work_between_steps_is_told_if_it_takes_long(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with TrainingBar() as bar:
        report = WorkReport(bar, "validation", training(100))
        clock.now += 5
        report(100, 1000)
        assert capsys.readouterr().err == ""
        clock.now += 5
        report(200, 1000)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "validation: 0:40 left (20%)"


def test_lines_hold_no_control_characters_and_no_more_than_the_work_deserves(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with TrainingBar() as bar, counting_each() as count:
        images = count("images")
        for step in range(1, 401):
            clock.now += 1
            bar.update(training(step, bits_per_dim=3.0, validated_at=step // 50 * 50))
            images(step, 400)
    shown = capsys.readouterr().err
    assert all(character.isprintable() or character == "\n" for character in shown)
    assert 10 < len(shown.splitlines()) < 50
    assert "images (" in shown


def test_counted_work_says_how_long_it_will_still_take(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.counting("images") as count:
        count(0, 1000)
        clock.now += 20
        count(400, 1000)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "400 of 1,000 images (40%), about 0:30 left"


def test_a_suite_without_a_terminal_says_now_and_then_what_it_does(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    (cell, *_) = cells_of(find_suite("quick"))
    with SuiteProgress("quick", 3) as suite:
        suite.started(cell)
        suite.progressed(cell, "training, all levels", 0.1, None)
        clock.now += 20
        suite.progressed(cell, "training, all levels", 0.5, 2.5)
        suite.progressed(cell, "training, all levels", 0.6, 2.5)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"0 of 3 cells done; {cell.title}: training, all levels (50%), 2.500 bits/dim"


@pytest.mark.parametrize("columns", ["80", "200"])
def test_on_a_terminal_the_figures_leave_room_for_the_bar(
    columns: str, clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowzoo.cli.training_progress.animated", lambda: True)
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": columns}.items():
        monkeypatch.setenv(name, value)
    with TrainingBar() as bar:
        bar.update(training(200, bits_per_dim=3.5, validated_at=180))
    shown = capsys.readouterr().err
    for said in ("all levels", "━━━━", "step 200 of 400", "loss 3.250", "validation 3.500", "3:20 left"):
        assert said in shown
    assert ("812 images/s" in shown) is (columns == "200")
