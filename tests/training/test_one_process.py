"""A run belongs to the process that trains it; whoever reads it is let in."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from flowzoo.errors import FileError, InUseError, SavedModelError
from flowzoo.evaluation.report import evaluate
from flowzoo.experiment.budget import Budget
from flowzoo.runfolder import RunFolder, RunRecord
from flowzoo.training.log import TrainingLog
from flowzoo.training.reporter import Progress, Reporter
from flowzoo.training.resume import resume_run
from tests.training.test_runs import StopAt
from tests.training.test_stop import SMALL, STEPS, begin

Start = Callable[..., RunRecord]


class During(Reporter):
    """Does something once, while a run trains."""

    def __init__(self, act: Callable[[], object], step: int = 3) -> None:
        self._act = act
        self._step = step
        self.done = False

    def update(self, progress: Progress) -> None:
        if progress.step == self._step and not self.done:
            self.done = True
            self._act()


def test_nobody_else_trains_a_run_and_everybody_may_read_it(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def meddle() -> None:
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        with pytest.raises(InUseError, match="another process is training in"):
            resume_run(folder, device="cpu")
        with pytest.raises(InUseError):
            resume_run(folder / ".." / "run", budget=Budget(steps=50), device="cpu")
        with pytest.raises(SavedModelError, match="holds a run already"):
            start(folder, model="gaussian", options={})
        assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert evaluate(folder, images=3, floor=False, audit=False, device="cpu").images == 3
        assert RunFolder(folder).load_model().sample(1, seed=0).shape == (1, 1, 8, 8)

    meanwhile = During(meddle)
    start(folder, model="realnvp", options=SMALL, reporter=meanwhile)
    assert meanwhile.done
    assert resume_run(folder, budget=Budget(steps=8), device="cpu").steps == 8


def test_of_two_that_start_at_once_one_trains(start: Start, tmp_path: Path) -> None:
    folder, outcomes = tmp_path / "run", list[object]()

    def begin() -> None:
        barrier.wait()
        try:
            outcomes.append(start(folder, steps=40, model="realnvp", options=SMALL))
        except (InUseError, SavedModelError) as error:
            outcomes.append(error)

    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(isinstance(each, RunRecord) for each in outcomes) == [False, True]
    steps = [each["step"] for each in TrainingLog(folder / "log.jsonl").read()]
    assert steps == sorted(steps)
    assert RunFolder(folder).read().status == "finished"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the process is killed by SIGKILL")
def test_a_process_that_was_killed_locks_nobody_out(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = begin(folder)
    with pytest.raises(InUseError):
        resume_run(folder, device="cpu")
    process.kill()
    process.communicate()
    with pytest.raises(SavedModelError, match=f"no model yet: the first validation is at step {STEPS}"):
        evaluate(folder, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        resume_run(folder, device="cpu", reporter=StopAt(1))
    assert not (folder / ".lock").exists()


def test_a_folder_that_cannot_be_locked_is_refused_before_anything_changes(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    start(folder, steps=2, model="realnvp", options=SMALL)
    before = (folder / "run.json").read_bytes()
    (folder / ".lock").mkdir()  # as on a file system that cannot be written, no file can be made there
    with pytest.raises(FileError, match=r"cannot write .*\.lock: Is a directory"):
        resume_run(folder, budget=Budget(steps=9), device="cpu")
    assert (folder / "run.json").read_bytes() == before
    assert evaluate(folder, images=3, floor=False, audit=False, device="cpu").images == 3


@pytest.mark.parametrize(
    ("training", "steps", "first"),
    [({"validations": 4}, 10, 3.0), ({"validations": 3}, 9, 3.0), ({"order": "separately"}, 8, 2.0)],
)
def test_the_record_says_when_there_is_a_first_model(
    start: Start, tmp_path: Path, training: dict[str, object], steps: int, first: float
) -> None:
    folder, appeared = tmp_path / "run", list[int]()

    class Watch(Reporter):
        def update(self, progress: Progress) -> None:
            if (folder / "model").exists():
                appeared.append(progress.step)
            else:
                assert RunFolder(folder).read().first_validation == first

    start(folder, steps=steps, training=training, reporter=Watch())
    assert appeared[0] == first
