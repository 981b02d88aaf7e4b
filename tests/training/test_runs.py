"""Whole runs: what they write, that they repeat, go on after an interruption and fail without loss."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from flowzoo.component import Spec
from flowzoo.errors import DataError, NumericalError, OptionError, SavedModelError
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.parse import parse_experiment
from flowzoo.flow import Flow
from flowzoo.registry.saving import load_model
from flowzoo.runfolder import RunFolder, RunRecord
from flowzoo.training.checkpoint import Position, TensorGroups, load_checkpoint, save_checkpoint
from flowzoo.training.log import TrainingLog
from flowzoo.training.passes import Passes
from flowzoo.training.rate import learning_rate
from flowzoo.training.reporter import Progress, Reporter
from flowzoo.training.resume import resume_run
from flowzoo.training.start import start_run
from tests.training.conftest import QUICK, TINY


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_model(folder / "model").state_dict())


def assert_same_weights(first: Path, second: Path) -> None:
    a, b = weights(first), weights(second)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


Start = Callable[..., RunRecord]


def edit(path: Path, **changes: object) -> None:
    """Change fields of the experiment in a run's record."""
    record = json.loads(path.read_text())
    record["experiment"] |= changes
    path.write_text(json.dumps(record))


class StopAt(Reporter):
    """Interrupts after a step, as Ctrl-C would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def update(self, progress: Progress) -> None:
        if progress.step == self.step:
            raise KeyboardInterrupt


def test_a_run_folder_holds_record_log_model_and_checkpoint(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    record = start(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.safetensors",
        "log.jsonl",
        "model",
        "run.json",
    ]
    assert RunFolder(folder).read() == record
    assert (record.status, record.steps) == ("finished", 6)
    validations = [
        each for each in TrainingLog(folder / "log.jsonl").read() if "validation_bits_per_dim" in each
    ]
    assert [each["step"] for each in validations] == [2, 4, 6]


def test_the_same_seed_gives_the_same_model_and_another_seed_another(start: Start, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        start(tmp_path / name, seed=seed)
    assert_same_weights(tmp_path / "a", tmp_path / "b")
    with pytest.raises(AssertionError):
        assert_same_weights(tmp_path / "a", tmp_path / "c")


def test_training_leaves_the_global_random_state_alone(start: Start, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    start(tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"order": "separately"},
        {"order": "separately", "accumulate": 2, "optimiser": "adamw", "weight_decay": 0.1},
    ],
)
@pytest.mark.parametrize("stop", [1, 3, 5])
def test_an_interrupted_run_that_is_resumed_ends_like_an_undisturbed_one(
    start: Start, tmp_path: Path, training: dict[str, object], stop: int
) -> None:
    start(tmp_path / "whole", training=training)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "cut", training=training, reporter=StopAt(stop))
    assert RunFolder(tmp_path / "cut").read().status == "running"
    record = resume_run(tmp_path / "cut", device="cpu")
    assert record.steps == 6
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")
    steps = [
        [each["step"] for each in TrainingLog(tmp_path / name / "log.jsonl").read()]
        for name in ("whole", "cut")
    ]
    assert steps[0] == steps[1]


def test_a_cut_between_a_stage_s_first_model_and_its_checkpoint_changes_nothing(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = {"order": "separately"}
    start(tmp_path / "whole", steps=12, training=training)

    def cut(path: Path, position: Position, groups: object) -> None:
        if position.stage == 1 and position.stage_step > 0:
            raise KeyboardInterrupt
        save_checkpoint(path, position, groups)  # type: ignore[arg-type]

    monkeypatch.setattr("flowzoo.training.loop.save_checkpoint", cut)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "cut", steps=12, training=training)
    monkeypatch.undo()
    resume_run(tmp_path / "cut", device="cpu")
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")


def test_the_record_follows_the_checkpoints_and_litter_is_cleared(start: Start, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "run", reporter=StopAt(5))
    record = RunFolder(tmp_path / "run").read()
    assert (record.status, record.steps) == ("running", 4)
    (tmp_path / "run" / ".x.part").write_text("half")
    (tmp_path / "run" / ".model.x.draft").mkdir()
    resume_run(tmp_path / "run", device="cpu")
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]


def test_a_finished_run_can_be_trained_for_longer(start: Start, tmp_path: Path) -> None:
    start(tmp_path / "run", steps=4)
    record = resume_run(tmp_path / "run", budget=Budget(steps=9), device="cpu")
    assert (record.steps, record.status) == (9, "finished")
    with pytest.raises(OptionError, match="same unit"):
        resume_run(tmp_path / "run", budget=Budget(seconds=1.0), device="cpu")
    with pytest.raises(OptionError, match="8 steps is less"):
        resume_run(tmp_path / "run", budget=Budget(steps=8), device="cpu")


def test_the_model_kept_is_the_one_of_the_best_validation(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pretend(figures: list[float]) -> None:
        remaining = iter(figures)
        monkeypatch.setattr("flowzoo.training.stage.validate", lambda *_, **__: (next(remaining), 0.0))

    constant = {"schedule": "constant"}
    pretend([3.0, 1.0, 2.0])
    start(tmp_path / "whole", steps=6, training=constant | {"validations": 3})
    pretend([3.0, 1.0])
    start(tmp_path / "to the best", steps=4, training=constant | {"validations": 2})
    assert_same_weights(tmp_path / "whole", tmp_path / "to the best")


def test_a_run_without_a_finite_validation_fails(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise NumericalError("no")

    monkeypatch.setattr("flowzoo.training.stage.validate", fail)
    with pytest.raises(NumericalError, match="no validation gave a finite figure"):
        start(tmp_path / "run")
    records = TrainingLog(tmp_path / "run" / "log.jsonl").read()
    assert [each["validation_error"] for each in records if "validation_error" in each] == ["no"] * 3


def test_training_lowers_the_loss(start: Start, tmp_path: Path) -> None:
    start(
        tmp_path / "run",
        steps=60,
        training={"validations": 2, "learning_rate": 0.01, "warmup": 5},
        options={**TINY, "normalise": "standardise"},
    )
    records = TrainingLog(tmp_path / "run" / "log.jsonl").read()
    bits = [each["validation_bits_per_dim"] for each in records if "validation_bits_per_dim" in each]
    assert bits[1] < bits[0]


def test_a_budget_in_seconds_ends(start: Start, tmp_path: Path) -> None:
    asked = parse_experiment({"model": "gaussian", "data": "digits", "budget": {"seconds": 0.5}})
    record = start_run(tmp_path / "run", asked, device="cpu")
    assert record.status == "finished"


@pytest.fixture
def slow_first_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    first_pass = Passes.first

    def slow(self: Passes, flow: Flow) -> None:
        first_pass(self, flow)
        time.sleep(0.5)

    monkeypatch.setattr(Passes, "first", slow)


@pytest.mark.usefixtures("slow_first_pass")
def test_a_budget_in_seconds_pays_for_the_first_pass(tmp_path: Path) -> None:
    asked = parse_experiment(
        {"model": "glow", "data": "digits", "budget": {"seconds": 0.4}, "training": QUICK}
    )
    start_run(tmp_path / "run", asked, device="cpu")
    position, _ = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    assert position.first_pass == pytest.approx(0.2)
    assert position.step >= 1
    assert position.seconds >= 0.5 + position.stage_seconds


@pytest.mark.usefixtures("slow_first_pass")
def test_validations_are_spread_over_what_the_first_pass_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    positions: list[Position] = []

    def watched(path: Path, position: Position, groups: TensorGroups) -> None:
        positions.append(position)
        save_checkpoint(path, position, groups)

    monkeypatch.setattr("flowzoo.training.loop.save_checkpoint", watched)
    asked = parse_experiment(
        {
            "model": "glow",
            "data": "digits",
            "budget": {"seconds": 0.4},
            "training": {**QUICK, "validations": 4},
        }
    )
    start_run(tmp_path / "run", asked, device="cpu")
    assert (positions[0].stage_step, positions[0].stage_seconds, positions[0].validations) == (0, 0.0, 0)
    assert positions[-1].validations == 4
    assert positions[-1].stage_seconds >= 0.2


@pytest.mark.usefixtures("slow_first_pass")
@pytest.mark.parametrize(
    ("training", "first"),
    [
        ({"schedule": "cosine", "warmup": 0}, 1.0),
        ({"schedule": "constant", "warmup": 9, "warmup_share": 0.2}, 0.1),
    ],
)
def test_warm_up_and_schedule_begin_after_the_first_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, training: dict[str, object], first: float
) -> None:
    rates = []

    def watched(*given: Any) -> float:
        rates.append(learning_rate(*given))
        return rates[-1]

    monkeypatch.setattr("flowzoo.training.loop.learning_rate", watched)
    given = {**QUICK, "learning_rate": 1e-3, "validations": 1, **training}
    asked = parse_experiment(
        {"model": "glow", "data": "digits", "budget": {"seconds": 0.4}, "training": given}
    )
    start_run(tmp_path / "run", asked, device="cpu")
    assert rates[0] == pytest.approx(1e-3 * first)


def test_a_loss_that_is_not_finite_stops_in_one_line_and_keeps_the_best_model(
    start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(NumericalError, match="at step") as caught:
        start(
            folder,
            steps=30,
            training={"learning_rate": 1e30, "warmup": 0, "validations": 30, "average": 0.999},
        )
    assert "\n" not in str(caught.value)
    assert "learning_rate" in str(caught.value)
    assert RunFolder(folder).read().status == "running"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"training": {"batchsize": 3}}, "did you mean 'batch_size'"),
        ({"training": {"batch_size": "many"}}, "training.batch_size='many'"),
        ({"training": {"batch_size": 0}}, "greater than or equal to 1"),
        ({"model": "mrfnc"}, "did you mean 'mrcnf'"),
        ({"data": "digit"}, "did you mean 'digits'"),
        ({"options": {"levels": 0}}, "levels"),
        ({"device": "abacus"}, "no device 'abacus'"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused_before_anything_is_written(
    start: Start, tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises((OptionError, LookupError), match=message):
        start(tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()


def test_images_that_the_levels_do_not_divide_are_refused(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="odd"):
        start(tmp_path / "run", options={"levels": 5})
    assert not (tmp_path / "run").exists()


def test_a_folder_with_something_in_it_is_not_written_to(start: Start, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("done")
    with pytest.raises(SavedModelError, match="not an empty folder"):
        start(tmp_path / "precious")
    start(tmp_path / "run", steps=1)
    with pytest.raises(SavedModelError, match="--resume"):
        start(tmp_path / "run", steps=1)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "damaged"), ("[]", "damaged"), ('{"format": 99}', "format 99"), ('{"format": 1}', "damaged")],
)
def test_a_damaged_record_says_so(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(SavedModelError, match=message):
        RunFolder(tmp_path).read()


def test_a_folder_that_is_no_run_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SavedModelError, match="flowzoo train"):
        resume_run(tmp_path, device="cpu")


def test_a_checkpoint_that_was_cut_short_is_refused(start: Start, tmp_path: Path) -> None:
    start(tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(SavedModelError, match=r"checkpoint\.safetensors"):
        resume_run(tmp_path / "run", budget=Budget(steps=9), device="cpu")


def test_other_images_than_the_run_was_started_on_are_refused(start: Start, tmp_path: Path) -> None:
    start(tmp_path / "run", steps=1)
    path = tmp_path / "run" / "run.json"
    edit(path, data_revision="0" * 16)
    with pytest.raises(DataError, match="images differ"):
        resume_run(tmp_path / "run", device="cpu")


def test_a_checkpoint_of_something_else_is_refused_and_the_record_stays(start: Start, tmp_path: Path) -> None:
    start(tmp_path / "run")
    path = tmp_path / "run" / "run.json"
    edit(path, pixels={"name": "affine"})
    changed = path.read_text()
    with pytest.raises(SavedModelError, match="another experiment"):
        resume_run(tmp_path / "run", budget=Budget(steps=9), device="cpu")
    assert path.read_text() == changed


def test_a_record_edited_to_nonsense_is_refused_in_one_line(start: Start, tmp_path: Path) -> None:
    start(tmp_path / "run", steps=1)
    path = tmp_path / "run" / "run.json"
    before = path.read_text()
    for key, value in (("training", None), ("options", 3), ("data", 5), ("model", None), ("budget", [])):
        path.write_text(before)
        edit(path, **{key: value})
        with pytest.raises(SavedModelError, match=rf"damaged \(experiment\.{key}\W") as caught:
            resume_run(tmp_path / "run", device="cpu")
        assert "\n" not in str(caught.value)


def test_levels_that_trained_separately_keep_their_shares(start: Start, tmp_path: Path) -> None:
    start(tmp_path / "run", training={"order": "separately"})
    with pytest.raises(OptionError, match="6 steps"):
        resume_run(tmp_path / "run", budget=Budget(steps=60), device="cpu")


def test_a_model_that_cannot_be_replaced_is_refused_before_training(start: Start, tmp_path: Path) -> None:
    start(tmp_path / "run", steps=2)
    record = (tmp_path / "run/run.json").read_bytes()
    (tmp_path / "run/model/notes.txt").touch()
    with pytest.raises(SavedModelError, match=r"notes\.txt"):
        resume_run(tmp_path / "run", budget=Budget(steps=4), device="cpu")
    assert (tmp_path / "run/run.json").read_bytes() == record


def test_a_run_cut_before_its_first_checkpoint_starts_its_log_anew(start: Start, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "run", steps=20, training={"validations": 1}, reporter=StopAt(15))
    with (tmp_path / "run" / "log.jsonl").open("a") as file:
        file.write('{"step": 1')
    resume_run(tmp_path / "run", device="cpu")
    steps = [each["step"] for each in TrainingLog(tmp_path / "run" / "log.jsonl").read()]
    assert steps == [10, 20, 20]  # losses at 10 and 20, and the validation


def test_the_record_holds_all_options_as_plain_data(start: Start, tmp_path: Path) -> None:
    record = start(tmp_path / "run", steps=1, options=TINY | {"transform": Spec("haar")})
    assert record.experiment.options["transform"] == {"name": "haar"}
    assert record.experiment.options["bijector"]["evaluation_tolerance"] == 5e-4
    assert record.experiment.pixels == {"name": "logit", "alpha": 0.001}


def test_a_validation_that_is_not_finite_is_never_the_best(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "flowzoo.training.validation.sum_terms", lambda terms: terms.conditional * float("nan")
    )
    with pytest.raises(NumericalError, match="no validation gave a finite figure"):
        start(tmp_path / "run", training={"order": "separately"})


def test_a_log_whose_last_line_was_cut_short_is_read_up_to_there(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "log.jsonl")
    assert log.read() == []
    for step in (1, 2, 3):
        log.append({"step": step})
    with log.path.open("a") as file:
        file.write('{"step": 4, "lo')
    assert [each["step"] for each in log.read()] == [1, 2, 3]
    log.rewind(2)
    assert [each["step"] for each in log.read()] == [1, 2]
