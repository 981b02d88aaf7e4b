"""Numbers that are not finite: a step is skipped, then the training goes back, then it ends."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

import flowzoo
from flowzoo.data.load import load_dataset
from flowzoo.errors import NumericalError
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.runfolder import RunFolder, RunRecord
from flowzoo.training.checkpoint import load_checkpoint, optimiser_tensors
from flowzoo.training.log import TrainingLog
from flowzoo.training.loop import TrainingLoop
from flowzoo.training.not_finite import first_not_finite
from flowzoo.training.reporter import Progress, Reporter
from flowzoo.training.resume import resume_run
from flowzoo.training.stage import Stage, plan_stages
from flowzoo.training.step import NotFiniteError, Taken, TrainingStep
from flowzoo.training.stop import Interrupted
from flowzoo.warm_start import WarmStart
from tests.training.test_runs import StopAt, assert_same_weights, weights

IMAGES = load_dataset("digits")["train"].take(range(8))
GLOW = {"levels": 1, "last": {"steps": 1, "network": {"hidden": 4}}}
TRAINING = {"schedule": "constant", "warmup": 0, "validations": 5}

Start = Callable[..., RunRecord]
Break = Callable[..., None]


@pytest.fixture
def train(start: Start, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return ``train(folder, steps, reporter)`` of a tiny Glow that logs each step."""
    monkeypatch.setattr("flowzoo.training.stage_reports.LOG_EVERY", 1)

    def run(folder: Path, steps: int = 20, training: dict[str, Any] | None = None, **more: Any) -> RunRecord:
        given = {**TRAINING, **(training or {})}
        return start(folder, steps, given, model="glow", options=GLOW, **more)

    return run


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Return ``spoil(losses=steps, weights=steps)``: NaN in the loss, or from then on in a weight."""

    def spoil(losses: Collection[int] = (), weights: Collection[int] = ()) -> None:
        step = -1
        take, loss = TrainingLoop._take_step, Stage.loss

        def begin(self: TrainingLoop) -> tuple[Taken | None, float, float]:
            nonlocal step
            step = self.position.step
            if step in weights:
                next(self._flow.level(0).parameters()).data.fill_(float("nan"))
            return take(self)

        def spoilt(*args: Any) -> Tensor:
            return loss(*args) * (float("nan") if step in losses else 1.0)

        monkeypatch.setattr(TrainingLoop, "_take_step", begin)
        monkeypatch.setattr(Stage, "loss", spoilt)

    return spoil


class SignalAt(Reporter):
    """Stops a training as ``kill`` does: it saves a checkpoint first."""

    def __init__(self, step: int) -> None:
        self.step = step

    def update(self, progress: Progress) -> None:
        if progress.step == self.step and not progress.work:
            os.kill(os.getpid(), signal.SIGTERM)


def records(folder: Path, key: str) -> list[dict[str, Any]]:
    return [each for each in TrainingLog(folder / "log.jsonl").read() if key in each]


def test_a_step_whose_loss_is_not_finite_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = flowzoo.create_model("glow", (1, 8, 8), seed=0, bins=17, **GLOW)
    flow.initialise([IMAGES / 17])
    options = parse_training_options({})
    warm_start = WarmStart(flow, {"pixels": {"kept": 1}})
    stage, generator = plan_stages(flow, options)[0], torch.Generator().manual_seed(0)
    step = TrainingStep(flow, stage, options, generator, warm_start)
    step.take(IMAGES, 1e-3)

    def state() -> dict[str, Tensor]:
        average, optimiser = step.average.state(), optimiser_tensors(step.optimiser)
        found = {**flow.state_dict(), **average, **optimiser}
        return {name: each.clone() for name, each in found.items()}

    loss, before = Stage.loss, state()

    def spoilt(*args: Any) -> Tensor:
        step.warm_start.keep(flow.pixels, "kept", 2)
        return loss(*args) * float("nan")

    with monkeypatch.context() as patch:
        patch.setattr(Stage, "loss", spoilt)
        with pytest.raises(NotFiniteError, match="the loss is nan"):
            step.take(IMAGES, 1e-3)
    after = state()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert step.warm_start.state() == {"pixels": {"kept": 1}}
    step.take(IMAGES, 1e-3)
    assert not all(torch.equal(before[name], each) for name, each in state().items())


def test_steps_that_are_not_finite_are_skipped_and_counted_with_one_warning(
    train: Start, spoil: Break, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(losses=[3, 7, 8])
    with caplog.at_level(logging.WARNING, "flowzoo"):
        assert train(tmp_path / "run").steps == 20
    assert len(caplog.messages) == 1
    assert "step 3" in caplog.messages[0]
    logged = records(tmp_path / "run", "loss")
    counted = {each["step"]: each["counts"].get("skipped steps", 0) for each in logged}
    assert counted == {step: (step > 4) + 2 * (step > 9) for step in range(1, 21) if step not in (4, 8, 9)}
    assert [each["step"] for each in records(tmp_path / "run", "skipped")] == [4, 8]
    assert all(each.isfinite().all() for each in weights(tmp_path / "run").values())


def test_after_several_steps_the_last_good_state_goes_on_at_half_the_rate(
    train: Start, spoil: Break, tmp_path: Path
) -> None:
    spoil(weights=[6])
    train(tmp_path / "run")
    (back,) = records(tmp_path / "run", "went_back_to")
    assert (back["step"], back["went_back_to"]) == (11, 4)
    assert "levels.0" in back["reason"]
    rates = {each["step"]: each["learning_rate"] for each in records(tmp_path / "run", "loss")}
    assert sorted(rates) == [*range(1, 7), *range(12, 21)]
    assert rates[20] == rates[12] == 0.5 * rates[6]
    assert all(each.isfinite().all() for each in weights(tmp_path / "run").values())


@pytest.mark.parametrize("stop", [StopAt(14), SignalAt(5), SignalAt(8)])
def test_a_run_that_goes_back_and_is_interrupted_ends_like_an_undisturbed_one(
    train: Start, spoil: Break, tmp_path: Path, stop: Reporter
) -> None:
    spoil(weights=[6], losses=[15])
    train(tmp_path / "whole")
    with pytest.raises((KeyboardInterrupt, Interrupted)):
        train(tmp_path / "cut", reporter=stop)
    resume_run(tmp_path / "cut", device="cpu")
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")
    ends = [load_checkpoint(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "cut")]
    assert ends[0][0].faults == ends[1][0].faults
    assert ends[0][0].faults.skipped == 6
    assert all(torch.equal(each, ends[1][1]["model"][name]) for name, each in ends[0][1]["model"].items())
    steps = [[each["step"] for each in records(tmp_path / name, "step")] for name in ("whole", "cut")]
    assert steps[0] == steps[1]
    assert not (tmp_path / "cut" / "checkpoint-good.safetensors").exists()


def test_a_training_that_going_back_does_not_help_ends_with_the_reason(
    train: Start, spoil: Break, tmp_path: Path
) -> None:
    spoil(weights=range(11, 1000))
    folder = tmp_path / "run"
    with pytest.raises(NumericalError, match=r"parameter 'levels\.0\..*in level 0") as caught:
        train(folder, steps=100, training={"validations": 10})
    assert "\n" not in str(caught.value)
    assert "learning_rate" in str(caught.value)
    assert str(folder / "model") in str(caught.value)
    assert [each["went_back_to"] for each in records(folder, "went_back_to")] == [10, 10, 10]
    assert RunFolder(folder).read().status == "running"
    assert all(each.isfinite().all() for each in weights(folder).values())


def test_a_training_whose_first_step_is_not_finite_ends_at_once(
    train: Start, spoil: Break, tmp_path: Path
) -> None:
    spoil(losses=[0])
    with pytest.raises(NumericalError, match=r"nothing has trained yet.*at step 0"):
        train(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_from_before_steps_were_skipped_goes_on(train: Start, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", reporter=StopAt(6))
    path = tmp_path / "run" / "checkpoint.safetensors"
    with safe_open(path, framework="pt") as file:
        position = json.loads(file.metadata()["position"])
    del position["faults"], position["good"]
    save_file(load_file(path), path, metadata={"position": json.dumps(position)})
    resume_run(tmp_path / "run", device="cpu")
    train(tmp_path / "whole")
    assert_same_weights(tmp_path / "whole", tmp_path / "run")


def test_the_first_part_that_is_not_finite_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = flowzoo.create_model("wavelet-flow", (1, 8, 8), seed=0, bins=17, levels=2)
    flow.initialise([IMAGES / 17])
    loss = flow.training_loss(IMAGES, generator=torch.Generator())
    loss.backward()

    def compute() -> Tensor:
        return flow.training_loss(IMAGES, generator=torch.Generator())

    assert first_not_finite(flow, compute) == ""
    name, parameter = [each for each in flow.named_parameters() if each[0].startswith("levels.1.")][-1]
    assert parameter.grad is not None
    parameter.grad.fill_(float("inf"))
    assert first_not_finite(flow, compute).startswith(
        f"the gradient of '{name}', in level 1, network 'glow-conv' of "
    )
    network = next(
        n for n, each in flow.named_modules() if n.endswith(".network") and n.startswith("levels.1")
    )
    module = flow.get_submodule(network)
    whole = module.forward
    monkeypatch.setattr(module, "forward", lambda *given: whole(*given) * float("nan"))
    assert first_not_finite(flow, compute).startswith(f"the output of '{network}', in level 1, network ")
    parameter.data.fill_(float("nan"))
    assert first_not_finite(flow, compute).startswith(f"the parameter '{name}', in level 1")
