"""Levels that train at the same time give what levels give that train one after another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import flowzoo
from flowzoo.bench.engines.known import Chosen
from flowzoo.bench.engines.node import run_cell
from flowzoo.bench.engines.options import SlurmOptions
from flowzoo.bench.engines.remote import RemoteLauncher
from flowzoo.errors import FlowzooError, NumericalError, OptionError
from flowzoo.registry.saving import load_model
from flowzoo.runfolder import RunFolder
from flowzoo.training.apart import levels_apart
from flowzoo.training.apart.levels_apart import Apart
from flowzoo.training.log import TrainingLog
from flowzoo.training.reporter import Progress, Reporter
from flowzoo.training.resume import resume_run
from tests.training.conftest import TINY, Start

SEPARATELY = {"order": "separately"}


class StopsAtOnce(Reporter):
    """Interrupts as soon as a level has trained a step, as Ctrl-C would."""

    def update(self, progress: Progress) -> None:
        if progress.step:
            raise KeyboardInterrupt


def records(folder: Path) -> list[dict[str, object]]:
    """Return what the log of a run says, without times."""
    found = TrainingLog(folder / "log.jsonl").read()
    return [
        {name: each for name, each in record.items() if name not in ("seconds", "images_per_second")}
        for record in found
    ]


def test_the_levels_of_an_interrupted_run_end_like_levels_that_train_one_after_another(
    start: Start, tmp_path: Path
) -> None:
    one, apart = tmp_path / "one", tmp_path / "apart"
    start(one, training=SEPARATELY)
    with pytest.raises(KeyboardInterrupt):
        start(apart, training=SEPARATELY, apart=Apart(1), reporter=StopsAtOnce())
    assert RunFolder(apart).read().status == "running"
    record = resume_run(apart, device="cpu", apart=Apart(2))

    assert (record.status, record.steps) == ("finished", 6)
    assert (apart / "model/model.safetensors").read_bytes() == (one / "model/model.safetensors").read_bytes()
    assert records(apart) == records(one)
    assert not (apart / "levels").exists()
    assert resume_run(apart, device="cpu").steps == 6  # there is nothing left to train
    assert load_model(apart / "model").recipe == load_model(one / "model").recipe


def test_levels_through_an_engine_end_like_levels_here_although_one_is_killed(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, apart = tmp_path / "one", tmp_path / "apart"
    start(one, training=SEPARATELY)
    monkeypatch.setattr(levels_apart, "PROGRAM", "tests.training.apart_programs")
    monkeypatch.setenv("APART", "is killed once")
    monkeypatch.setenv("APART_ALIVE", str(tmp_path / "alive"))
    (tmp_path / "alive").touch()
    launcher = RemoteLauncher(Chosen("slurm", SlurmOptions(cluster="local")), apart / "levels/engine")
    start(apart, training=SEPARATELY, apart=Apart(launcher=launcher))

    assert "level 0 is started again: its process was killed by signal 9" in caplog.text
    assert (apart / "model/model.safetensors").read_bytes() == (one / "model/model.safetensors").read_bytes()
    assert records(apart) == records(one)
    assert not (apart / "levels").exists()


def test_levels_on_a_machine_that_does_not_see_the_run_are_refused(tmp_path: Path) -> None:
    job = {"program": "flowzoo.training.apart.program", "work": str(tmp_path), "mark": "another"}
    began, refused = run_cell(job)
    assert "began" in began
    assert "does not see" in refused["refused"]


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("fails", NumericalError, "level 0: the loss is not finite"),
        ("is killed", FlowzooError, "the process of level 0 was ended by SIGKILL.* --resume --out"),
        ("breaks", FlowzooError, "the process of level 0 failed: ImportError: no such module"),
    ],
)
def test_a_level_that_ends_badly_is_named(
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    kind: type[Exception],
    message: str,
) -> None:
    monkeypatch.setattr(levels_apart, "PROGRAM", "tests.training.apart_programs")
    monkeypatch.setenv("APART", what)
    with pytest.raises(kind, match=message):
        start(tmp_path / "run", training=SEPARATELY, apart=Apart(2))
    assert not (tmp_path / "run").exists()  # no level has saved anything


def test_what_cannot_train_apart_is_refused(start: Start, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="trains as a whole"):
        start(tmp_path / "run", apart=Apart(), options={**TINY, "levels": 1}, training=SEPARATELY)
    images = torch.zeros(8, 1, 8, 8, dtype=torch.uint8)
    with pytest.raises(OptionError, match="by name instead of images in memory"):
        flowzoo.train("mrcnf", images, steps=2, options=TINY, parallel="levels", device="cpu")
    with pytest.raises(OptionError, match="at least 1; got 0"):
        Apart(0)
    with pytest.raises(OptionError, match="order=jointly"):
        flowzoo.train("mrcnf", "digits", steps=2, training={"order": "jointly"}, parallel="levels")
    with pytest.raises(OptionError, match=r"nothing to train.*--parallel"):
        start(tmp_path / "run", apart=Apart(), model="gaussian", options={}, training=SEPARATELY)
    assert not (tmp_path / "run").exists()
    with pytest.raises(OptionError, match="depend on each other"):
        flowzoo.train("glow", "digits", steps=2, parallel="levels", device="cpu")
    start(tmp_path / "run")
    with pytest.raises(OptionError, match="Leave --parallel out"):
        resume_run(tmp_path / "run", device="cpu", apart=Apart())
    assert json.loads((tmp_path / "run/run.json").read_text())["status"] == "finished"
