"""Phases: what a bijector asks for is trained in turn, each phase with an optimiser of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import flowzoo
from flowzoo.bijector import Phase
from flowzoo.data.load import load_dataset
from flowzoo.errors import NumericalError, OptionError, SavedModelError
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.registry.saving import load_model
from flowzoo.runfolder import RunRecord
from flowzoo.training.checkpoint import load_checkpoint
from flowzoo.training.log import TrainingLog
from flowzoo.training.optimisers import OPTIMISERS
from flowzoo.training.resume import resume_run
from flowzoo.training.stage import plan_stages
from flowzoo.training.validation import validate
from tests.conftest import InstallPlugin
from tests.training.test_runs import StopAt, assert_same_weights

Train = Callable[..., RunRecord]

PLAIN = {"learning_rate": 0.05, "warmup": 0, "average": 0.0, "validations": 2}


@pytest.fixture
def train(
    start: Callable[..., RunRecord], install_plugin: InstallPlugin, monkeypatch: pytest.MonkeyPatch
) -> Train:
    """Return ``train(folder, phases, last=phases, steps=8, training={}, **arguments of start)``."""
    install_plugin("flowzoo-toy", "from tests.training.phased import flowzoo_api_version, flowzoo_components")
    monkeypatch.setattr("flowzoo.training.stage_reports.LOG_EVERY", 1)

    def run(
        folder: Path,
        phases: str,
        last: str | None = None,
        steps: int = 8,
        training: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> RunRecord:
        options = {"bijector": {"phases": phases}, "last": {"phases": phases if last is None else last}}
        given = {**PLAIN, **(training or {})}
        return start(
            folder, steps=steps, model="phased-cascade", options=options, training=given, **arguments
        )

    return run


def records(folder: Path, key: str) -> list[dict[str, Any]]:
    return [each for each in TrainingLog(folder / "log.jsonl").read() if key in each]


def validated(folder: Path, stage: str = "") -> list[float]:
    """Return the validation figures of the stages whose names begin so."""
    found = records(folder, "validation_bits_per_dim")
    return [each["validation_bits_per_dim"] for each in found if each["stage"].startswith(stage)]


def lived_through(folder: Path) -> list[tuple[str, str, int]]:
    """Return each step's stage, the phase that the bijectors were told, and how much one remembered."""
    found = []
    for each in records(folder, "loss"):
        counts = dict(each["counts"])
        remembered = counts.pop("remembered")
        ((phase, bijectors),) = counts.items()
        found.append((each["stage"], phase.removeprefix("phase "), int(remembered / bijectors)))
    return found


def test_phases_follow_each_other_with_their_shares_and_a_new_warm_start(
    train: Train, tmp_path: Path
) -> None:
    record = train(tmp_path / "run", "matching:0.25:1 likelihood:0.75:0.1")
    assert record.steps == 8
    assert lived_through(tmp_path / "run") == [
        *(("all levels, matching", "matching", place) for place in range(2)),
        *(("all levels, likelihood", "likelihood", place) for place in range(6)),
    ]


def test_every_level_that_trains_by_itself_goes_through_its_phases(train: Train, tmp_path: Path) -> None:
    separately = {"order": "separately"}
    record = train(tmp_path / "run", "a:0.25:1 b:0.75:1", last="c:1:1", training=separately)
    assert record.steps == 8
    assert lived_through(tmp_path / "run") == [
        *(("level 1", "c", place) for place in range(4)),
        ("level 0, a", "a", 0),
        *(("level 0, b", "b", place) for place in range(3)),
    ]


def test_bijectors_without_phases_go_along(train: Train, tmp_path: Path) -> None:
    train(tmp_path / "run", "a:0.5:1 b:0.5:1", last="")
    assert [phase for _, phase, _ in lived_through(tmp_path / "run")] == ["a"] * 4 + ["b"] * 4


def test_a_single_phase_is_the_training_as_it_is_without_but_for_its_name(
    train: Train, tmp_path: Path
) -> None:
    train(tmp_path / "with", "only:1:1")
    train(tmp_path / "without", "")
    assert_same_weights(tmp_path / "with", tmp_path / "without")
    assert lived_through(tmp_path / "with") == [("all levels", "only", place) for place in range(8)]


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[list[float]]:
    """Return the learning rates of each step of each optimiser, filled while models train."""
    rates: list[list[float]] = []

    class Watched(torch.optim.Adam):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.rates: list[float] = []
            rates.append(self.rates)

        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            super().step(closure)
            self.rates.append(self.param_groups[0]["lr"])

    monkeypatch.setitem(OPTIMISERS, "adam", Watched)
    return rates


def test_each_phase_has_its_own_optimiser_warm_up_schedule_and_rate(
    train: Train, tmp_path: Path, rates: list[list[float]]
) -> None:
    train(tmp_path / "run", "a:0.25:1 b:0.75:0.1", training={"warmup": 1})
    assert rates == [
        pytest.approx([0.05 * 0.5, 0.05 * 0.5]),
        pytest.approx(
            [0.005 * min(1.0, (i + 1) / 2) * 0.5 * (1 + math.cos(math.pi * i / 6)) for i in range(6)]
        ),
    ]


@pytest.mark.parametrize(
    ("training", "risen"),
    [
        ({}, [(step + 1) / 101 for step in range(10)]),
        ({"warmup_share": 0.5}, [1 / 101, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1]),
        ({"warmup_share": 0.5, "warmup": 1}, [0.5, *[1] * 9]),
    ],
)
def test_a_short_stage_warms_up_within_its_share(
    train: Train, tmp_path: Path, rates: list[list[float]], training: dict[str, Any], risen: list[float]
) -> None:
    given = {"warmup": 100, "schedule": "constant", **training}
    train(tmp_path / "run", "a:0.5:1 b:0.5:0.1", steps=20, training=given)
    assert rates == [pytest.approx([rate * each for each in risen]) for rate in (0.05, 0.005)]


def test_each_phase_clips_its_gradient_by_its_own_norm(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms = []
    clip = torch.nn.utils.clip_grads_with_norm_

    def watched(parameters: list[torch.nn.Parameter], norm: float, total: torch.Tensor) -> None:
        norms.append(norm)
        clip(parameters, norm, total)

    monkeypatch.setattr("torch.nn.utils.clip_grads_with_norm_", watched)
    train(tmp_path / "run", "a:0.25:1 b:0.75:1", training={"clip": {"b": 2}})
    assert norms == [100.0, 100.0] + [2.0] * 6
    with pytest.raises(OptionError, match=r"'c'.*phases: 'a', 'b'"):
        train(tmp_path / "none", "a:0.25:1 b:0.75:1", training={"clip": {"c": 2}})


@pytest.mark.parametrize("order", ["jointly", "separately"])
@pytest.mark.parametrize("stop", [1, 3, 5, 7, 8, 11])
def test_an_interrupted_run_ends_like_an_undisturbed_one(
    train: Train, tmp_path: Path, order: str, stop: int
) -> None:
    arguments: dict[str, Any] = {
        "phases": "a:0.5:1 b:0.5:0.5",
        "steps": 12,
        "training": {"order": order, "average": 0.9, "validations": 3},
    }
    train(tmp_path / "whole", **arguments)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", reporter=StopAt(stop), **arguments)
    assert resume_run(tmp_path / "cut", device="cpu").steps == 12
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")
    assert lived_through(tmp_path / "whole") == lived_through(tmp_path / "cut")


def test_a_phase_that_spoils_the_model_does_not_cost_the_better_one(train: Train, tmp_path: Path) -> None:
    train(tmp_path / "spoilt", "good:0.5:1 spoil:0.5:1")
    train(tmp_path / "good", "good:1:1", steps=4)
    assert_same_weights(tmp_path / "spoilt", tmp_path / "good")
    *good, first, last = validated(tmp_path / "spoilt")
    assert min(good) < first < last


def test_a_phase_that_diverges_ends_there(train: Train, tmp_path: Path) -> None:
    train(tmp_path / "diverged", "good:0.1:1 diverge:0.9:1", steps=40)
    train(tmp_path / "good", "good:1:1", steps=4)
    assert_same_weights(tmp_path / "diverged", tmp_path / "good")
    log = (tmp_path / "diverged" / "log.jsonl").read_text()
    assert '"ended": "a solver did not get to the end; at step 23' in log  # of 4 + 4 * 5 steps


def test_a_first_phase_that_diverges_is_an_error_that_names_the_step(train: Train, tmp_path: Path) -> None:
    with pytest.raises(NumericalError, match="did not get to the end; at step 0"):
        train(tmp_path / "run", "diverge:1:1")


def test_every_level_keeps_the_best_of_its_own_phases(train: Train, tmp_path: Path) -> None:
    train(tmp_path / "run", "good:0.5:1 spoil:0.5:1", training={"order": "separately"})
    flow = load_model(tmp_path / "run" / "model")
    source = load_dataset("digits").split("validation")
    for level in (0, 1):
        good = validated(tmp_path / "run", f"level {level}, good")
        spoilt = validated(tmp_path / "run", f"level {level}, spoil")
        kept, _ = validate(flow, source, levels=(level,), images=8, batch_size=128)
        assert kept == pytest.approx(min(good))
        assert min(spoilt) > min(good)


def test_a_phase_starts_from_the_best_model_of_the_one_before_and_may_better_it(
    train: Train, tmp_path: Path
) -> None:
    train(tmp_path / "run", "good:0.4:1 spoil:0.4:1 better:0.2:1", steps=20)
    _, good, *spoilt = validated(tmp_path / "run")[:4]
    better = validated(tmp_path / "run")[4:]
    assert min(spoilt) > good > better[0]
    position, _ = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    assert position.best == min(better)


def test_different_phases_in_one_stage_are_refused_before_anything_is_written(
    train: Train, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="different phases") as caught:
        train(tmp_path / "run", "a:0.5:1 b:0.5:1", last="a:1:1")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("phases", ["a:0.5:1 b:0.4:1", "a:1.5:1 b:-0.5:1", "a:1:0"])
def test_phases_that_make_no_whole_are_refused(train: Train, tmp_path: Path, phases: str) -> None:
    with pytest.raises(OptionError, match=r"the phases of bijector 'phased' of flowzoo-toy .* are "):
        train(tmp_path / "run", phases)


def test_a_budget_of_fewer_steps_than_phases_is_refused(train: Train, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="has 4 stages, and each needs a step"):
        train(tmp_path / "run", "a:0.5:1 b:0.5:1", steps=3, training={"order": "separately"})


def test_phases_keep_their_shares_of_the_budget(train: Train, tmp_path: Path) -> None:
    train(tmp_path / "run", "a:0.5:1 b:0.5:1")
    with pytest.raises(OptionError, match="8 steps"):
        resume_run(tmp_path / "run", budget=Budget(steps=60), device="cpu")


def test_a_checkpoint_without_memory_is_refused_in_one_line(train: Train, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", "", reporter=StopAt(6))
    path = tmp_path / "run" / "checkpoint.safetensors"
    with safe_open(path, framework="pt") as file:
        position = json.loads(file.metadata()["position"])
    del position["warm_start"]
    save_file(load_file(path), path, metadata={"position": json.dumps(position)})
    with pytest.raises(SavedModelError, match=r"checkpoint\.safetensors.*warm_start"):
        resume_run(tmp_path / "run", device="cpu")


def test_a_scoring_model_trains_in_the_first_phase_alone() -> None:
    network = {"hidden": 4, "blocks": 1}
    joint = {"checkerboard": 2, "channel": 0, "network": network}
    flow = flowzoo.create_model("lcma", (1, 8, 8), levels=2, joint=joint, last={"checkerboard": 2})
    flow.level(1).conditional.phases = (Phase("first", 0.75, 0.5), Phase("second", 0.25))
    stages = plan_stages(flow, TrainingOptions(scoring=0.2))
    assert [stage.name for stage in stages] == ["scoring", "all levels, first", "all levels, second"]
    assert [stage.phase.name for stage in stages] == ["first", "first", "second"]
    assert [stage.share for stage in stages] == pytest.approx([0.2, 0.6, 0.2])
