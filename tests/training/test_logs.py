"""Logs of a training beside the run folder's own, and pictures of samples."""

from __future__ import annotations

import csv
import json
import logging
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import flowzoo
from flowzoo.errors import FileError, NumericalError, OptionError
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.experiment import Experiment
from flowzoo.experiment.log_options import LOGS, log_options
from flowzoo.experiment.parse import parse_experiment
from flowzoo.flow import Flow
from flowzoo.pictures import save_grid
from flowzoo.runfolder import RunFolder, RunRecord
from flowzoo.training.log import TrainingLog
from flowzoo.training.logs.open_writers import WRITERS
from flowzoo.training.logs.writer import LogWriter, Opening
from flowzoo.training.reporter import Progress, Reporter
from flowzoo.training.resume import resume_run
from flowzoo.training.start import start_run

SMALL = {"levels": 1, "last": {"checkerboard": 2, "channel": 0, "network": {"hidden": 4, "blocks": 0}}}
QUICK = {"batch_size": 8, "validations": 4, "validation_images": 8, "initial_images": 32}


def asked(steps: int = 24, **fields: Any) -> Experiment:
    given = {"model": "realnvp", "data": "digits", "options": SMALL, "training": QUICK, **fields}
    return parse_experiment({**given, "budget": {"steps": steps}})


def start(folder: Path, *logs: str, samples: int | None = None, **arguments: Any) -> RunRecord:
    reporter = arguments.pop("reporter", None)
    log = log_options(logs, samples)
    return start_run(folder, asked(**arguments), device="cpu", reporter=reporter, log=log)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


class At(Reporter):
    """Calls a function once, at a step."""

    def __init__(self, step: int, act: Callable[[], object]) -> None:
        self._step, self._act = step, act

    def update(self, progress: Progress) -> None:
        if progress.step == self._step:
            self._step = -1
            self._act()


def stop() -> None:
    raise KeyboardInterrupt


def charts(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return steps and values by the names of the charts that TensorBoard shows."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    tags = events.Tags()
    found = {tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in tags["scalars"]}
    return found | {tag: [(each.step, 0.0) for each in events.Images(tag)] for tag in tags["images"]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of 24 steps with logs, and samples with each validation: at steps 6, 12, 18 and 24."""
    folder = tmp_path_factory.mktemp("logs") / "whole"
    before = torch.get_rng_state()
    start(folder, "csv", "tensorboard", samples=1)
    assert torch.equal(torch.get_rng_state(), before)
    return folder


def test_every_log_has_a_writer() -> None:
    assert set(WRITERS) == set(LOGS)


def test_logs_change_no_weight(tmp_path: Path, whole: Path) -> None:
    start(tmp_path / "without")
    with_logs, without = (
        dict(RunFolder(run).load_model().state_dict()) for run in (whole, tmp_path / "without")
    )
    assert all(torch.equal(with_logs[name], without[name]) for name in without)
    assert not (tmp_path / "without" / "samples").exists()


def test_the_csv_file_has_a_row_for_each_logged_step(whole: Path) -> None:
    found = rows(whole)
    # Losses of every tenth step, and the validations.
    assert [int(row["step"]) for row in found] == [6, 10, 12, 18, 20, 24]
    by_step = {int(row["step"]): row for row in found}
    log = TrainingLog(whole / "log.jsonl").read()
    loss = next(each for each in log if each["step"] == 10)
    validation = next(each for each in log if each["step"] == 12)
    assert float(by_step[10]["loss"]) == loss["loss"]
    assert float(by_step[10]["gradient_norm"]) > 0
    assert by_step[10]["objective"] == "likelihood"
    assert by_step[10]["images"] == "80"
    assert by_step[10]["validation_bits_per_dim"] == ""
    assert float(by_step[12]["validation_bits_per_dim"]) == validation["validation_bits_per_dim"]
    assert float(by_step[12]["validation_standard_error"]) > 0
    assert by_step[12]["loss"] == ""
    assert by_step[12]["stage"] == "all levels"


def test_a_step_is_one_row_with_the_learning_rate_of_the_schedule(tmp_path: Path) -> None:
    training = {**QUICK, "learning_rate": 0.01, "warmup": 0, "schedule": "cosine", "validations": 2}
    start(tmp_path / "run", "csv", steps=20, training=training)
    found = rows(tmp_path / "run")
    assert [int(row["step"]) for row in found] == [10, 20]
    assert all(row["loss"] and row["validation_bits_per_dim"] for row in found)
    assert (tmp_path / "run" / found[0]["samples"]).is_file()
    # The rate of step 10 follows from the 9 steps before it.
    assert float(found[0]["learning_rate"]) == pytest.approx(0.005 * (1 + np.cos(np.pi * 9 / 20)))


def test_a_run_that_goes_on_repeats_and_loses_no_step(tmp_path: Path, whole: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        # The last checkpoint is that of step 18; the log already has step 20.
        start(tmp_path / "cut", "csv", "tensorboard", samples=1, reporter=At(23, stop))
    assert [int(row["step"]) for row in rows(tmp_path / "cut")][-1] == 20
    resume_run(tmp_path / "cut", device="cpu")

    def told(run: Path) -> list[dict[str, str]]:
        timed = ("seconds", "images_per_second")
        return [{key: cell for key, cell in row.items() if key not in timed} for row in rows(run)]

    assert told(tmp_path / "cut") == told(whole)
    undisturbed, cut = charts(whole), charts(tmp_path / "cut")
    assert cut.keys() == undisturbed.keys()
    for name in ("training/bits_per_dim", "validation/bits_per_dim", "training/learning_rate", "samples"):
        assert cut[name] == undisturbed[name]
    assert [step for step, _ in cut["validation/bits_per_dim"]] == [6, 12, 18, 24]


def test_logs_end_where_none_is_asked_for_and_begin_later_with_all_steps(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "run", "csv", samples=0, reporter=At(14, stop))
    record = resume_run(tmp_path / "run", device="cpu", log="none")
    assert record.log.writers == ()
    assert max(int(row["step"]) for row in rows(tmp_path / "run")) <= 12
    resume_run(tmp_path / "run", budget=Budget(steps=30), device="cpu", log="csv")
    found = [int(row["step"]) for row in rows(tmp_path / "run")]
    assert found == [6, 10, 12, 18, 20, 24, 30]
    assert RunFolder(tmp_path / "run").read().log.writers == ("csv",)


def test_objectives_with_other_units_have_charts_of_their_own(tmp_path: Path) -> None:
    network = {"name": "conv-field", "hidden": 4, "layers": 2}
    matching = {"name": "cnf", "objective": "flow-matching", "blocks": 1, "network": network}
    parts = [{"name": "conditional-affine"}, {**matching, "evaluation_solver": "rk4", "evaluation_steps": 3}]
    bijector = {"name": "stack", "training": "greedy", "parts": parts}
    options = {"levels": 1, "precondition": None, "bijector": bijector}
    given = {"model": "mrcnf", "options": options, "training": {**QUICK, "validations": 1}}
    start(tmp_path / "run", "tensorboard", steps=20, samples=0, **given)
    losses = [name for name in charts(tmp_path / "run") if name.startswith("training/loss")]
    assert losses == ["training/loss_part_1", "training/loss_part_2_flow-matching"]
    assert "training/bits_per_dim" not in charts(tmp_path / "run")


def test_levels_that_train_one_after_another_have_charts_of_their_own(tmp_path: Path) -> None:
    fields = {"blocks": 1, "network": {"name": "conv-field", "hidden": 4, "layers": 2}}
    given = {
        "model": "mrcnf",
        "options": {"levels": 2, "precondition": None, "bijector": fields},
        "training": {**QUICK, "order": "separately", "validations": 1},
    }
    start(tmp_path / "run", "tensorboard", steps=4, samples=0, **given)
    found = charts(tmp_path / "run")
    names = ["validation/bits_per_dim_level_0", "validation/bits_per_dim_level_1"]
    assert sorted(name for name in found if "validation/bits" in name) == names


def test_samples_show_the_same_noise_each_time(tmp_path: Path, whole: Path) -> None:
    log = TrainingLog(whole / "log.jsonl").read()
    names = [each["samples"] for each in log if "samples" in each]
    assert names == [f"samples/{step:08}.png" for step in (6, 12, 18, 24)]
    bits = [each["validation_bits_per_dim"] for each in log if "validation_bits_per_dim" in each]
    assert min(bits) == bits[-1]  # so the model that is kept is the one of the last picture
    again = tmp_path / "again.png"
    save_grid(RunFolder(whole).load_model().sample(16, seed=0), again, bins=17)
    assert np.array_equal(np.asarray(Image.open(whole / names[-1])), np.asarray(Image.open(again)))


def test_samples_are_drawn_as_often_as_asked_for(tmp_path: Path) -> None:
    start(tmp_path / "run", samples=2)
    pictures = sorted((tmp_path / "run" / "samples").iterdir())
    assert [path.name for path in pictures] == ["00000012.png", "00000024.png"]


def test_samples_that_cannot_be_drawn_are_left_out_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise NumericalError("a decoded image is not finite")

    monkeypatch.setattr(Flow, "sample_batches", fail)
    record = start(tmp_path / "run", "csv", samples=1)
    assert record.status == "finished"
    (warning,) = caplog.messages
    assert "not finite" in warning


class Broken(LogWriter):
    """Fails at its second record, and counts how often it is closed."""

    closed = 0

    def __init__(self, opening: Opening) -> None:
        self._records = 0

    def write(self, step: int, values: Mapping[str, float | str]) -> None:
        self._records += 1
        if self._records > 1:
            raise OSError("No space\nleft on device")

    def picture(self, step: int, name: str, path: Path) -> None: ...

    def close(self) -> None:
        Broken.closed += 1
        raise OSError("again")


def test_logs_are_closed_when_training_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WRITERS, "csv", Broken)
    monkeypatch.setattr(Broken, "closed", 0)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "run", "csv", samples=0, steps=9, reporter=At(2, stop))
    assert Broken.closed == 1


def test_a_log_that_fails_is_left_out_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(WRITERS, "tensorboard", Broken)
    monkeypatch.setattr(Broken, "closed", 0)
    with caplog.at_level(logging.WARNING):
        record = start(tmp_path / "run", "tensorboard", "csv")
    assert record.status == "finished"
    (warning,) = caplog.messages
    assert "'tensorboard'" in warning
    assert "No space left on device" in warning
    assert Broken.closed == 1
    assert rows(tmp_path / "run")[-1]["step"] == "24"


def test_a_log_that_cannot_be_opened_stops_a_start_and_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(opening: Opening) -> LogWriter:
        raise FileError("cannot write")

    monkeypatch.setitem(WRITERS, "tensorboard", refuse)
    with pytest.raises(OptionError, match="'tensorboard' cannot be opened: cannot write") as caught:
        start(tmp_path / "run", "csv", "tensorboard")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("logs", "samples", "message"),
    [
        (["cvs"], None, "did you mean 'csv'"),
        (["csv", "none"], None, "none"),
        (["csv"], -1, "-1"),
    ],
)
def test_wrong_logs_are_refused(logs: list[str], samples: int | None, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        log_options(logs, samples)


@pytest.mark.parametrize("library", ["tensorboard", "wandb"])
def test_a_log_without_its_library_says_how_to_install_it(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OptionError, match=rf"pip install 'flowzoo\[{library}\]'"):
        log_options(library, None)
    assert log_options("csv", None).writers == ("csv",)


def test_logs_in_python_need_a_run_folder(tmp_path: Path) -> None:
    given: Any = {"steps": 6, "options": SMALL, "training": QUICK}
    with pytest.raises(OptionError, match="out="):
        flowzoo.train("realnvp", "digits", log="csv", **given)
    flowzoo.train("realnvp", "digits", log=["csv"], log_samples=0, out=tmp_path / "run", **given)
    assert rows(tmp_path / "run")
    assert not (tmp_path / "run" / "samples").exists()


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Put a library in place of wandb that keeps what it gets."""
    told = types.SimpleNamespace(logged=[], inits=[], finished=0)

    class Run:
        def log(self, values: dict[str, Any], step: int) -> None:
            told.logged.append((step, values))

        def finish(self) -> None:
            told.finished += 1

    def init(**given: Any) -> Run:
        json.dumps(given["config"])
        told.inits.append(given)
        return Run()

    fake: Any = types.ModuleType("wandb")
    fake.init, fake.Image, fake.Settings = init, lambda path: path, lambda **given: given
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: types.SimpleNamespace(origin="wandb.py"))
    return told


def test_weights_and_biases_gets_every_step_once(tmp_path: Path, wandb: types.SimpleNamespace) -> None:
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "run", "wandb", reporter=At(21, stop))
    assert wandb.logged[-1][0] == 20
    resume_run(tmp_path / "run", device="cpu")
    first, second = wandb.inits
    assert first["id"] == second["id"]
    assert first["config"]["model"] == "realnvp"
    losses = [step for step, values in wandb.logged if "training/bits_per_dim" in values]
    validations = [step for step, values in wandb.logged if "validation/bits_per_dim" in values]
    assert (losses, validations) == ([10, 20], [6, 12, 18, 24])
    steps = [step for step, _ in wandb.logged]
    assert steps == sorted(steps)
    assert any(str(values.get("samples", "")).endswith("00000024.png") for _, values in wandb.logged)
    assert wandb.finished == 2
