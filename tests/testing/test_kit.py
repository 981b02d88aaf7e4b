"""The kit finds nothing wrong with sound components, and whatever is wrong with broken ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from flowzoo.component import KINDS, LARGEST_OVERLAP, LARGEST_TOLERANCE, Check, Component
from flowzoo.errors import UnknownNameError
from flowzoo.testing import Trial, check_component, checks_for, findings, run_check, trial_of
from tests import checked_calls
from tests.testing.broken import EXAMPLES, Break, Example


@pytest.fixture(autouse=True)
def as_many_threads() -> Iterator[None]:
    """Undo what one of the broken components does to the whole process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("example", "check"),
    [
        pytest.param(example, check, id=f"{name}-{check}")
        for name, example in EXAMPLES.items()
        for check in checks_for(example.kind, example.exact)
        # What is not registered is not found by name; what is registered stands in for it.
        if (name, check) not in (("model", "save-and-load"), ("data set with options", "another-process"))
    ],
)
def test_sound_components_pass(example: Example, check: str) -> None:
    result = run_check(example.trial(), check)

    assert result.passed, result.detail
    assert result.detail == ""


@pytest.mark.parametrize(
    ("example", "check", "break_it"),
    [
        pytest.param(example, check, break_it, id=f"{name}-{what.replace(' ', '-')}")
        for name, example in EXAMPLES.items()
        for what, (check, break_it) in example.breaks.items()
    ],
)
def test_broken_components_fail(example: Example, check: str, break_it: Break) -> None:
    if check == "global-random-state":
        # The type checker draws from Python's generator: as often in both of the runs that are compared.
        checked_calls.allow(math.inf)
    result = run_check(example.trial(break_it), check)

    assert not result.passed
    assert not result.needs_files
    assert result.detail


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_can_fail(kind: str) -> None:
    shown = {check for each in EXAMPLES.values() if each.kind == kind for check, _ in each.breaks.values()}

    assert shown | {"declaration"} == {*checks_for(kind), *checks_for(kind, exact=False)}


MISDECLARED = {
    "a large tolerance has no reason": {"tolerance": 2e-8},
    "the reason is blank": {"tolerance": 1e-4, "reason": " "},
    "a tolerance allows anything": {"tolerance": 1e6, "reason": "it is an estimate"},
    "a tolerance is not a number": {"tolerance": float("nan"), "reason": "it is an estimate"},
    "a tolerance is negative": {"tolerance": -1e-8},
    "a tolerance is text": {"tolerance": "1e-8"},
    "the shape is two numbers": {"shape": (4, 4)},
    "the shape has no rows": {"shape": (1, 0, 4)},
    "the shape is of floats": {"shape": (1, 4.0, 4.0)},
    "the options are a list": {"options": ["blocks"]},
}


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("changes", MISDECLARED.values(), ids=list(MISDECLARED))
def test_what_is_declared_of_a_trial_has_to_make_sense(name: str, changes: dict[str, object]) -> None:
    result = run_check(EXAMPLES[name].trial().with_check(**{"reason": "", **changes}), "declaration")

    assert not result.passed
    assert result.detail.startswith("the check's ")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("bijector", {"shape": (1, 1, 1)}),
        ("model", {"shape": (3, 64, 64)}),
        ("transform", {"context_shape": (1, 2, 2)}),
        ("stochastic transform", {"reason": ""}),
    ],
)
def test_what_suits_other_kinds_does_not_suit_this_one(name: str, changes: dict[str, object]) -> None:
    assert not run_check(EXAMPLES[name].trial().with_check(**changes), "declaration").passed


def test_tolerances_with_a_reason_are_fine() -> None:
    for name, tolerance in (("bijector", 2e-5), ("model", LARGEST_TOLERANCE), ("dataset", LARGEST_OVERLAP)):
        trial = EXAMPLES[name].trial().with_check(tolerance=tolerance, reason="a grid of 8 steps")
        assert run_check(trial, "declaration").passed
    assert run_check(EXAMPLES["split"].trial().with_check(tolerance=0), "declaration").passed


@pytest.mark.parametrize("options", [{"flavor": "plain"}, {"flavour": "sour"}])
def test_a_preset_that_cannot_be_used_is_found(options: dict[str, str]) -> None:
    trial = EXAMPLES["bijector"].trial()
    good, bad = (
        replace(trial, component=replace(trial.component, presets={"paper": each}))
        for each in ({"flavour": "other"}, options)
    )
    assert run_check(good, "declaration").passed
    result = run_check(bad, "declaration")
    assert not result.passed
    assert result.detail.startswith("the preset 'paper'")


def test_what_raises_is_reported_with_its_place() -> None:
    _, break_it = EXAMPLES["bijector"].breaks["it raises"]

    result = run_check(EXAMPLES["bijector"].trial(break_it), "shapes")

    assert result.detail.startswith("IndexError: list index out of range (")
    assert "bijectors.py:" in result.detail


def test_a_finding_says_what_was_found_and_what_expected() -> None:
    _, break_it = EXAMPLES["bijector"].breaks["log_det misses a constant"]

    result = run_check(EXAMPLES["bijector"].trial(break_it), "log-det")

    assert result.detail.startswith("log_det against the brute-force Jacobian: off by ")
    assert result.detail.endswith("allowed 1e-08; looks like a constant of +0.001 nats")


def test_a_data_set_without_its_files_is_not_called_sound() -> None:
    results = check_component("dataset", "fashion-mnist")

    assert len(results) == len(checks_for("dataset"))
    unmade = [each for each in results if each.name != "declaration"]
    assert all(each.needs_files and not each.passed for each in unmade)
    (finding,) = findings(results)
    assert finding.needs_files
    assert finding.checks == tuple(each.name for each in unmade)
    assert all(each in finding.detail for each in ("needs files", "root", "fashion-mnist"))


def test_options_reach_the_component() -> None:
    trial = trial_of("bijector", "logit", alpha=0.25)

    assert trial.build().alpha == 0.25
    assert not run_check(trial_of("bijector", "logit", alpha=1.0), "shapes").passed


def test_unknown_checks_are_refused() -> None:
    with pytest.raises(
        UnknownNameError, match=r"no check 'roundtrip'; did you mean 'round-trip'\? those of a"
    ):
        run_check(trial_of("bijector", "logit"), "roundtrip")


def test_a_network_that_nothing_can_build_is_found() -> None:
    component = Component(kind="network", name="toy", build="a:b", summary="A toy.", check=Check())

    def make(_: Trial) -> object:
        raise UnknownNameError("no such thing")

    result = run_check(Trial(component, make), "shapes")

    assert result.detail.startswith("cannot be built at all: no such thing")
