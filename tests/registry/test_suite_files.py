"""A plugin's suites are the YAML files in its package's folder ``suites``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from flowzoo.registry.loader import load_registry
from flowzoo.registry.signature import import_builder

ENTRY = """
from flowzoo.api import hookimpl

flowzoo_api_version = 2

@hookimpl
def flowzoo_components():
    return []
"""
SUITE = "# what it is for\nsummary: 'A suite: of two models'\nmodels: [glow]\n"


@pytest.fixture
def package(tmp_path: Path, install_plugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a plugin that is a package, and return the folder of its suites."""
    install_plugin("flowzoo-files", ENTRY)
    site = tmp_path / "site-packages"
    (site / "flowzoo_files.py").unlink()
    suites = site / "flowzoo_files" / "suites"
    suites.mkdir(parents=True)
    (suites.parent / "__init__.py").write_text(ENTRY)
    importlib.invalidate_caches()
    yield suites
    sys.modules.pop("flowzoo_files", None)


def test_a_file_is_a_suite_of_its_name(package: Path) -> None:
    (package / "my-suite.yaml").write_text(
        "# what it is for\nsummary: 'A suite: of two models'\nmodels: [glow]\n"
    )
    registry = load_registry(strict=True)
    suite = registry.find("suite", "my-suite")
    assert suite.summary == "A suite: of two models"
    assert registry.plugin_of(suite).distribution == "flowzoo-files"
    assert import_builder(suite)() == package / "my-suite.yaml"


@pytest.mark.parametrize(("name", "text"), [("My_Suite", "summary: A suite"), ("empty", "models: [glow]")])
def test_a_file_that_is_no_suite_costs_the_plugin_no_other(package: Path, name: str, text: str) -> None:
    (package / f"{name}.yaml").write_text(text)
    (package / "good.yaml").write_text("summary: A suite")
    plugin = load_registry().plugins[-1]
    assert [each.name for each in plugin.components] == ["good"]
    assert name in plugin.skipped[0]


def test_what_lies_beside_a_single_module_is_not_its_own(install_plugin, tmp_path: Path) -> None:
    install_plugin("flowzoo-single", ENTRY)
    (tmp_path / "site-packages" / "suites").mkdir()
    (tmp_path / "site-packages" / "suites" / "other.yaml").write_text("summary: Of somebody else")
    assert "other" not in load_registry(strict=True).names("suite")
