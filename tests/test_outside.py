"""What comes from outside: a component of each kind in one module."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flowzoo.cli.app import app
from flowzoo.registry.loader import default_registry
from flowzoo.testing import cases_of

ROOT = Path(__file__).parent.parent
LINES = {"family": 25, "metric": 30, "dataset": 32, "command": 27}
"""How long each module of ``tests/outside`` may be."""


@pytest.mark.parametrize("name", LINES)
def test_a_component_comes_in_one_module(name: str, install_plugin) -> None:
    source = (ROOT / "tests" / "outside" / f"{name}.py").read_text()
    assert len(source.splitlines()) <= LINES[name]
    install_plugin("flowzoo-outside", source)

    for case in cases_of("flowzoo-outside"):
        case.check()

    plugin = default_registry().installed("flowzoo-outside")
    assert plugin is not None
    assert not plugin.imported_torch


def test_a_command_from_outside_is_called_like_any_other(install_plugin) -> None:
    install_plugin("flowzoo-outside", (ROOT / "tests" / "outside" / "command.py").read_text())
    shown = CliRunner().invoke(app, ["sizes", "digits"])
    assert shown.stdout.splitlines() == ["train 1350", "validation 150", "test 297"]
