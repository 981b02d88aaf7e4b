"""Greedy stacks in training: parts train one after another, those before them stay, and runs resume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import flowzoo
from flowzoo.errors import OptionError
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.runfolder import RunRecord
from flowzoo.training.log import TrainingLog
from flowzoo.training.resume import resume_run
from flowzoo.training.stage import plan_stages
from tests.conftest import InstallPlugin
from tests.training.conftest import TINY
from tests.training.test_runs import StopAt, assert_same_weights

Start = Callable[..., RunRecord]

CNF = {"name": "cnf", "objective": "flow-matching", **TINY["bijector"]}  # type: ignore[dict-item]
AFFINE = {"name": "conditional-affine", "network": {"name": "glow-conv", "hidden": 4}}
TRAINING = {"learning_rate": 0.01, "warmup": 0, "average": 0.9, "validations": 1}


def stack(*parts: dict[str, Any], first: float) -> dict[str, Any]:
    return {"name": "stack", "parts": list(parts), "training": "greedy", "shares": [first, 1.0 - first]}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def test_flow_matching_on_an_affine_leaves_it_as_it_had_trained(start: Start, tmp_path: Path) -> None:
    def train(name: str, steps: int, bijector: dict[str, Any]) -> dict[str, torch.Tensor]:
        options = {"levels": 2, "bijector": bijector, "normalise": "whiten", "precondition": None}
        start(tmp_path / name, steps=steps, options=options, training=TRAINING)
        return weights(tmp_path / name)

    both = train("both", 6, stack(AFFINE, CNF, first=0.5))
    alone = train("alone", 3, AFFINE)

    kept = {name: each for name, each in both.items() if "inner.parts.0." in name}
    assert kept
    assert all(torch.equal(alone[name.replace("parts.0.", "")], each) for name, each in kept.items())
    log = TrainingLog(tmp_path / "both" / "log.jsonl").read()
    stages = [each["stage"] for each in log if "validation_bits_per_dim" in each]
    assert stages == ["all levels, part 1", "all levels, part 2, flow-matching"]


def test_an_interrupted_run_ends_like_an_undisturbed_one_in_every_phase(
    start: Start, install_plugin: InstallPlugin, tmp_path: Path
) -> None:
    install_plugin("flowzoo-toy", "from tests.training.phased import flowzoo_api_version, flowzoo_components")
    two = {"name": "phased", "phases": "rough:0.5:1 fine:0.5:0.5"}
    parts = stack({"name": "phased"}, two, first=1 / 3)
    arguments: dict[str, Any] = {
        "model": "phased-cascade",
        "options": {"bijector": parts, "last": parts},
        "steps": 6,
        "training": TRAINING,
    }
    start(tmp_path / "whole", **arguments)
    for stop in (1, 2, 3, 5):
        cut = tmp_path / f"cut at {stop}"
        with pytest.raises(KeyboardInterrupt):
            start(cut, reporter=StopAt(stop), **arguments)
        assert resume_run(cut, device="cpu").steps == 6
        assert_same_weights(tmp_path / "whole", cut)


@pytest.mark.parametrize(
    ("clip", "norms"),
    [
        ({"fine": 2}, {"part 1": 100.0, "part 2, rough": 100.0, "part 2, fine": 2.0}),
        ({"fine": 2, "part 2, fine": 3}, {"part 1": 100.0, "part 2, rough": 100.0, "part 2, fine": 3.0}),
    ],
)
def test_clip_takes_the_name_that_a_phase_has_in_its_part(
    install_plugin: InstallPlugin, clip: dict[str, float], norms: dict[str, float]
) -> None:
    install_plugin("flowzoo-toy", "from tests.training.phased import flowzoo_api_version, flowzoo_components")
    parts = stack({"name": "phased"}, {"name": "phased", "phases": "rough:0.5:1 fine:0.5:0.5"}, first=1 / 3)
    flow = flowzoo.create_model("phased-cascade", (1, 8, 8), bijector=parts, last=parts)
    options = parse_training_options({"clip": clip})
    stages = plan_stages(flow, options)
    assert {stage.phase.name: options.clip_in(stage.phase.name) for stage in stages} == norms
    with pytest.raises(OptionError, match=r"'part 2, fine'.*'fine'"):
        plan_stages(flow, parse_training_options({"clip": {"coarse": 2}}))


def test_a_budget_that_leaves_a_part_no_step_is_refused(start: Start, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="2 stages"):
        start(
            tmp_path / "run",
            steps=1,
            options={"bijector": stack(AFFINE, CNF, first=0.5), "precondition": None},
        )
