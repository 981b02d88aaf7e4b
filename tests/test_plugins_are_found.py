"""A plugin of this repository is found by its folder: no list of the repository names it."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest

from flowzoo.registry.loader import default_registry

ROOT = Path(__file__).parent.parent
PLUGINS = sorted(ROOT.glob("plugins/*/pyproject.toml"))
LISTS = [
    ROOT / name
    for name in ("pyproject.toml", "Makefile", "constraints.txt", "conftest.py", ".pre-commit-config.yaml")
] + sorted((ROOT / ".ci").iterdir())


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.parent.name)
def test_no_list_of_the_root_names_a_plugin(path: Path) -> None:
    name = path.parent.name
    package = re.compile(rf"flowzoo[-_]{name.replace('_', '[-_]')}\b|plugins/{name}\b")
    assert [each.name for each in LISTS if package.search(each.read_text())] == []


def test_contracts_are_made_for_every_plugin() -> None:
    spec = importlib.util.spec_from_file_location("lint_imports", ROOT / ".ci" / "lint_imports.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # dataclasses look there
    spec.loader.exec_module(made)
    plugins = [
        made.Plugin("flowzoo_a", ("flowzoo_a.plugin",), frozenset({"torch", "scipy"})),
        made.Plugin("flowzoo_b", ("flowzoo_b",), frozenset({"torch"})),
    ]

    contracts = made.plugin_contracts(plugins, frozenset({"torch"}))

    named = {each["name"]: each for each in contracts}
    assert named["The core never imports a plugin"]["forbidden_modules"] == ["flowzoo_a", "flowzoo_b"]
    listing = named["Listing plugins' components needs no torch"]
    assert listing["source_modules"] == ["flowzoo_a.plugin", "flowzoo_b"]
    assert named["scipy lives in flowzoo_a"]["source_modules"] == ["flowzoo", "flowzoo_b"]
    assert not [name for name in named if name.startswith("torch ")]


def test_every_plugin_of_the_repository_is_installed() -> None:
    loaded = {each.distribution for each in default_registry().plugins}
    stated = {tomllib.loads(path.read_text())["project"]["name"] for path in PLUGINS}
    assert stated <= loaded
    assert stated
