"""Models whose splits need scores: a scoring model trains first, then the splits are frozen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from flowzoo.errors import OptionError
from flowzoo.registry.saving import load_model
from flowzoo.runfolder import RunFolder, RunRecord
from flowzoo.training.log import TrainingLog
from flowzoo.training.reporter import Progress, Reporter
from flowzoo.training.resume import resume_run
from tests.training.test_runs import StopAt, assert_same_weights

Start = Callable[..., RunRecord]

COUPLINGS = {"checkerboard": 2, "channel": 0, "network": {"hidden": 4, "blocks": 1}}
LCMA = {"levels": 2, "joint": COUPLINGS, "last": {"checkerboard": 2, "network": {"hidden": 4, "blocks": 1}}}
GLOW = {
    "levels": 2,
    "split": "lcma",
    "joint": {"steps": 1, "network": {"hidden": 4}},
    "last": {"steps": 1, "network": {"hidden": 4}},
    "bijector": {"network": {"hidden": 4}},
}
CNF_JOINT = {
    "name": "cnf",
    "blocks": 1,
    "solver": "rk4",
    "steps": 2,
    "evaluation_solver": "rk4",
    "evaluation_steps": 2,
    "network": {"hidden": 4, "layers": 2},
}
CNF = {**LCMA, "joint": CNF_JOINT}
SCORING = {"scoring": 0.5, "scoring_images": 64}


@pytest.mark.parametrize(("model", "options"), [("lcma", LCMA), ("glow", GLOW), ("lcma", CNF)])
def test_the_splits_follow_the_scores_of_the_scoring_model(
    start: Start, tmp_path: Path, model: str, options: dict[str, Any]
) -> None:
    record = start(tmp_path / "run", steps=8, model=model, options=options, training=SCORING)

    split = load_model(tmp_path / "run" / "model").level(0).split
    scores, order = split.scores, split.order
    assert len(scores.unique()) > 1
    blocks = scores.reshape(4, 2, 4, 2).permute(1, 3, 0, 2).reshape(4, 1, 4, 4)
    assert bool((blocks.gather(0, order).diff(dim=0) <= 0).all())
    assert record.steps == 8
    stages = [each["stage"] for each in TrainingLog(tmp_path / "run" / "log.jsonl").read()]
    assert set(stages) == {"all levels"}


@pytest.mark.parametrize("stop", [1, 3, 4, 5, 7])
def test_an_interrupted_run_ends_like_an_undisturbed_one(start: Start, tmp_path: Path, stop: int) -> None:
    arguments = {"steps": 8, "model": "lcma", "options": LCMA, "training": SCORING}
    start(tmp_path / "whole", **arguments)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "cut", reporter=StopAt(stop), **arguments)
    record = resume_run(tmp_path / "cut", device="cpu")
    assert (record.status, record.steps) == ("finished", 8)
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")


def test_what_is_interrupted_while_scoring_has_no_model_yet(start: Start, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "run", steps=8, model="lcma", options=LCMA, training=SCORING, reporter=StopAt(2))

    assert not RunFolder(tmp_path / "run").model.exists()


def test_a_joint_without_parameters_is_scored_without_training(start: Start, tmp_path: Path) -> None:
    options = {"levels": 2, "joint": "gaussian", "last": "gaussian"}

    record = start(tmp_path / "run", model="lcma", options=options, training=SCORING)

    flow = load_model(tmp_path / "run" / "model")
    assert record.steps == 0
    assert bool(flow.log_prob(torch.full((1, 1, 8, 8), 0.5)).isfinite())


def test_a_budget_of_fewer_steps_than_stages_is_refused(start: Start, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="has 2 stages, and each needs a step"):
        start(tmp_path / "run", steps=1, model="lcma", options=LCMA)
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_scored_is_known_before_training(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise OptionError("cannot compute")

    monkeypatch.setattr("flowzoo_coupling.coupling.Coupling.forward_with_contributions", broken)
    steps: list[int] = []

    class Counter(Reporter):
        def update(self, progress: Progress) -> None:
            if not progress.work:
                steps.append(progress.step)

    with pytest.raises(OptionError, match="compute"):
        start(tmp_path / "run", steps=8, model="lcma", options=LCMA, training=SCORING, reporter=Counter())
    assert not steps


def test_the_scoring_pass_reports_its_progress(start: Start, tmp_path: Path) -> None:
    seen: list[tuple[float, float | None]] = []

    class Watcher(Reporter):
        def update(self, progress: Progress) -> None:
            if progress.work == "scoring the data":
                seen.append((progress.used, progress.loss))

    start(
        tmp_path / "run",
        steps=4,
        model="lcma",
        options=LCMA,
        training={**SCORING, "validation_batch_size": 32},
        reporter=Watcher(),
    )
    assert seen == [(0.5, None), (1.0, None)]
