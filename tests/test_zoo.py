"""Every registered component passes every check of its kind: a new plugin is tested without a new test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowzoo.component import KINDS, Component
from flowzoo.registry.loader import default_registry
from flowzoo.testing import checks_for, run_check, trial_of

REGISTERED = [component for kind in KINDS for component in default_registry().components(kind)]
DATASETS = Path(os.environ.get("FLOWZOO_TEST_DATASETS", "/usr/share/datasets"))
"""Holds a folder of files for each data set that declares to need them; by default where Debian puts them."""


def _id(component: Component) -> str:
    return f"{component.kind}-{component.name}"


@pytest.mark.parametrize(
    ("component", "check"),
    [
        pytest.param(component, check, id=f"{_id(component)}-{check}")
        for component in REGISTERED
        for check in checks_for(component.kind, component.exact)
    ],
)
def test_conforms(component: Component, check: str) -> None:
    files = DATASETS / component.name
    options = {"root": str(files)} if component.kind == "dataset" and files.is_dir() else {}
    result = run_check(trial_of(component.kind, component.name, **options), check)
    if result.needs_files:
        pytest.skip(f"{result.detail}, or a folder {files}")
    assert result.passed, result.detail


@pytest.mark.parametrize("component", REGISTERED, ids=_id)
def test_what_is_not_exact_to_rounding_says_why(component: Component) -> None:
    if not component.exact or component.check.tolerance > 1e-6:
        assert component.check.reason


def test_every_plugin_loads() -> None:
    registry = default_registry()

    assert not registry.failures
    assert not registry.clashes
