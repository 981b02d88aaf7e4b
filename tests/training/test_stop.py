"""Ctrl-C and SIGTERM save before training ends, and a failed start leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flowzoo.errors import NumericalError
from flowzoo.experiment.parse import parse_experiment
from flowzoo.runfolder import RunFolder, RunRecord
from flowzoo.training.reporter import Progress, Reporter
from flowzoo.training.resume import resume_run
from flowzoo.training.start import start_run
from flowzoo.training.stop import Interrupted, stoppable
from tests.training.test_runs import assert_same_weights

Start = Callable[..., RunRecord]

STEPS = 300
SMALL = {"levels": 1, "last": {"checkerboard": 2, "channel": 0, "network": {"hidden": 4, "blocks": 0}}}
TRAINING = {"batch_size": 4, "validations": 1, "validation_images": 8}
FLOWZOO = [sys.executable, "-m", "flowzoo"]


def begin(folder: Path, *resume: str) -> subprocess.Popen[str]:
    """Train in a process of its own, and return it when it has taken some steps."""
    settings = ["--set", f"last={SMALL['last']}", "--set", f"training={TRAINING}", "--set", "levels=1"]
    new = ["realnvp", "--data", "digits", "--steps", str(STEPS), *settings]
    command = [*FLOWZOO, "train", "--out", str(folder), "--device", "cpu", *(resume or new)]
    log = folder / "log.jsonl"
    before = log.stat().st_size if log.exists() else 0
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # as in this process, or the bits differ
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, env=environment, text=True, **pipes)
    while process.poll() is None and not (log.exists() and log.stat().st_size > before):
        time.sleep(0.01)
    return process


def test_signals_save_and_say_how_to_go_on_and_nothing_is_lost(tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    for number, code, resume in ((signal.SIGINT, 130, ()), (signal.SIGTERM, 143, ("--resume",))):
        process = begin(cut, *resume)
        process.send_signal(number)
        out, said = process.communicate(timeout=120)
        assert (process.returncode, out) == (code, ""), said
        record = RunFolder(cut).read()
        assert said.splitlines()[-1].endswith(f"flowzoo train --resume --out {cut}")
        assert f"step {record.steps}," in said
        assert 10 <= record.steps < STEPS
    resume_run(cut, device="cpu")
    asked = {"model": "realnvp", "data": "digits", "budget": {"steps": STEPS}, "options": SMALL}
    start_run(tmp_path / "whole", parse_experiment({**asked, "training": TRAINING}), device="cpu")
    assert_same_weights(tmp_path / "whole", cut)


class Kill(Reporter):
    """Sends this process a signal."""

    def __init__(self, number: int, step: int) -> None:
        self.number = number
        self.step = step

    def update(self, progress: Progress) -> None:
        if progress.step == self.step:
            signal.raise_signal(self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_between_checkpoints_loses_no_step(start: Start, tmp_path: Path, number: int) -> None:
    small = {"model": "realnvp", "options": SMALL}
    start(tmp_path / "whole", **small)
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught:
        start(tmp_path / "cut", reporter=Kill(number, 3), **small)
    assert signal.getsignal(number) == before
    assert (caught.value.signal, caught.value.step) == (number, 3)
    assert RunFolder(tmp_path / "cut").read().steps == 3
    resume_run(tmp_path / "cut", device="cpu")
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")


def test_a_second_signal_ends_at_once(start: Start, tmp_path: Path) -> None:
    class Twice(Kill):
        def update(self, progress: Progress) -> None:
            super().update(progress)
            super().update(progress)

    with pytest.raises(Interrupted) as caught:
        start(tmp_path / "cut", reporter=Twice(signal.SIGINT, 3), model="realnvp", options=SMALL)
    assert caught.value.step is None
    assert RunFolder(tmp_path / "cut").read().steps == 2  # that of the checkpoint before


def test_other_threads_and_a_program_s_own_handlers_are_left_alone() -> None:
    def own(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, own)
    try:
        with stoppable():
            assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)
    found: list[object] = []

    def look() -> None:
        with stoppable():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]


@pytest.mark.parametrize("folder_is_there", [False, True])
@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("flowzoo.flow.Flow.initialise", MemoryError()),
        ("flowzoo.flow.Flow.initialise", KeyboardInterrupt()),
        ("flowzoo.training.step.TrainingStep.take", NumericalError("the loss is nan")),
    ],
)
def test_a_failed_start_leaves_nothing_behind(
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    problem: BaseException,
    folder_is_there: bool,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise problem

    folder = tmp_path / "run"
    if folder_is_there:
        folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(where, fail)
        with pytest.raises(type(problem)):
            start(folder, model="realnvp", options=SMALL)
    assert folder.exists() == folder_is_there
    assert not folder_is_there or not list(folder.iterdir())
    assert start(folder, steps=1, model="realnvp", options=SMALL).status == "finished"
