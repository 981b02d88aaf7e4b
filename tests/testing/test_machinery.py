"""How the kit runs its checks: apart from one another, in several trials, each fault said once."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch

from flowzoo.registry.loader import load_registry
from flowzoo.testing import CheckResult, check_component, checks_for, findings, run_check, trials_of
from flowzoo.testing.draws import global_states
from tests.conftest import InstallPlugin
from tests.testing.broken import EXAMPLES
from tests.testing.broken.example import after

TWO_TRIALS = """
from typing import Literal

from flowzoo.api import Check, Component, Spec, hookimpl

flowzoo_api_version = 2

@hookimpl
def flowzoo_components():
    return [
        Component(
            "bijector", "twice", "flowzoo_twice:build", "Scales.",
            check=(
                Check(shape=(1, 2, 2), options={"scale": 2.0}),
                Check(shape=(2, 2, 2), options={"scale": SECOND}, name="shrinking"),
                Check(shape=(1, 2, 4)),
            ),
        ),
        Component("bijector", "none", "flowzoo_twice:build", "Has no trial.", check=CHECK),
    ]

def build(shape, context_shape, builder, *, scale: float = -1.0):
    return builder.bijector(Spec("affine", scale=scale), shape)
"""


def two_trials(second: float = 0.5, check: str = "Check()") -> str:
    return TWO_TRIALS.replace("SECOND", str(second)).replace("CHECK", check)


def test_a_component_is_tried_in_each_of_its_trials(install_plugin: InstallPlugin) -> None:
    install_plugin("flowzoo-twice", two_trials())

    assert [trial.title for trial in trials_of("bijector", "twice")] == ["trial 1", "shrinking", "trial 3"]
    assert [trial.build().scale for trial in trials_of("bijector", "twice")] == [2.0, 0.5, -1.0]
    results = check_component("bijector", "twice")
    assert all(each.passed for each in results)
    assert len(results) == 3 * len(checks_for("bijector"))
    assert results[-1].title == f"{results[-1].name} (trial 3)"
    assert trials_of("bijector", "actnorm")[0].title == ""


def test_a_fault_in_one_trial_is_found_there_alone(install_plugin: InstallPlugin) -> None:
    install_plugin("flowzoo-twice", two_trials(second=0.0))

    failed = [each for each in check_component("bijector", "twice") if not each.passed]

    assert {each.trial for each in failed} == {"shrinking"}


@pytest.mark.parametrize("check", ["()", "(Check(), None)", "[Check()]", "None"])
def test_what_is_no_trial_is_refused(install_plugin: InstallPlugin, check: str) -> None:
    install_plugin("flowzoo-twice", two_trials(check=check))

    (plugin,) = [each for each in load_registry().plugins if each.name == "twice"]
    (reason,) = plugin.skipped
    assert "expected Check, or a tuple of them" in reason


def test_checks_give_the_same_in_any_order_and_leave_no_trace() -> None:
    _, break_it = EXAMPLES["bijector"].breaks["torch's generator is seeded"]
    for trial in (EXAMPLES["bijector"].trial(), EXAMPLES["bijector"].trial(break_it)):
        names = checks_for("bijector")
        before = global_states()
        forwards = {name: run_check(trial, name) for name in names}
        assert global_states() == before
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        backwards = {name: run_check(trial, name) for name in reversed(names)}
        assert forwards == backwards


CHANGES: dict[str, Callable[[], object]] = {
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "whether torch records gradients": lambda: torch.set_grad_enabled(False),
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "deterministic algorithms": lambda: torch.use_deterministic_algorithms(True),
    "how NumPy treats": lambda: np.seterr(all="ignore"),
    "the current folder": lambda: os.chdir("/"),
}


@pytest.mark.parametrize("setting", CHANGES)
@pytest.mark.parametrize(
    ("kind", "method", "check"), [("metric", "measure", "unit"), ("split", "split", "shapes")]
)
def test_settings_of_the_process_are_nobodys_to_change(
    setting: str, kind: str, method: str, check: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.chdir(str(tmp_path))
    change = after(method, lambda result, *_: (CHANGES[setting](), result)[1])
    before = (torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled())
    before_too = (torch.get_num_threads(), os.getcwd())

    result = run_check(EXAMPLES[kind].trial(change), check)

    assert not result.passed
    assert setting in result.detail
    assert before == (torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled())
    assert before_too == (torch.get_num_threads(), os.getcwd())


def test_what_has_one_cause_is_one_finding() -> None:
    results = [
        CheckResult("shapes", False, "ValueError: torn", cause="ValueError: torn"),
        CheckResult("other-shapes", False, "for images of 1x2x4: ValueError: torn", cause="ValueError: torn"),
        CheckResult("log-det", False, "off by 1"),
        CheckResult("round-trip", True, note="on one image"),
        CheckResult("gradients", False, "off by 1", trial="small"),
        CheckResult("order", False, "needs files", needs_files=True),
    ]

    torn, off, files = findings(results)

    assert str(torn) == "2 checks failed alike (shapes, other-shapes): ValueError: torn"
    assert off.checks == ("log-det", "gradients (small)")
    assert str(files) == "order: needs files"
    assert files.needs_files


def test_another_seed_makes_other_weights_and_images() -> None:
    (first,), (second,) = (trials_of("bijector", "actnorm", seed=seed) for seed in (0, 1))

    assert first.mixed(3) != second.mixed(3)
    assert all(each.passed for each in check_component("bijector", "affine", seed=4))
