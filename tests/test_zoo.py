"""Every registered component passes every check of its kind: a new plugin is tested without a new test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowzoo.component import KINDS, Component
from flowzoo.registry.loader import default_registry
from flowzoo.registry.signature import options_of
from flowzoo.testing import Trial, checks_for, run_check, trials_of
from flowzoo.testing.files import missing_options

REGISTERED = [component for kind in KINDS for component in default_registry().components(kind)]
DATASETS = Path(os.environ.get("FLOWZOO_TEST_DATASETS", "/usr/share/datasets"))
"""Holds a folder of files for each data set that declares to need them; by default where Debian puts them."""


def _id(component: Component) -> str:
    return f"{component.kind}-{component.name}"


def _trials(component: Component) -> tuple[Trial, ...]:
    files = DATASETS / component.name
    options = {"root": str(files)} if component.kind == "dataset" and files.is_dir() else {}
    return trials_of(component.kind, component.name, **options)


def _checks(trial: Trial) -> tuple[str, ...]:
    """Return the checks to run: of those that a data set without its files would skip, one."""
    checks = tuple(checks_for(trial.component.kind, trial.component.exact))
    if trial.component.kind != "dataset" or not missing_options(trial.component, trial.check.options):
        return checks
    skipped = [check for check in checks if run_check(trial, check).needs_files]
    return tuple(check for check in checks if check not in skipped[1:])


@pytest.mark.parametrize(
    ("trial", "check"),
    [
        pytest.param(trial, check, id="-".join(filter(None, [_id(component), trial.title, check])))
        for component in REGISTERED
        for trial in _trials(component)
        for check in _checks(trial)
    ],
)
def test_conforms(trial: Trial, check: str) -> None:
    result = run_check(trial, check)
    if result.needs_files:
        pytest.skip(f"{result.detail}, or a folder {DATASETS / trial.component.name}")
    assert result.passed, result.detail


def test_every_plugin_loads() -> None:
    registry = default_registry()

    assert not registry.failures
    assert not registry.clashes


def test_every_option_is_described_by_a_sentence_or_a_phrase_that_stands_alone() -> None:
    described = {
        f"{component.kind} {component.name}, {name}": option.description
        for component in REGISTERED
        if component.kind != "command"
        for name, option in options_of(component).items()
    }
    assert described
    assert [where for where, text in described.items() if not text.endswith(".")] == []
