"""The plugins in ``examples``: they wrap other libraries, and pass the kit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flowzoo.registry.loader import default_registry
from flowzoo.testing import cases_of, mixtures_of
from tests.scaffold.conftest import Install

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/pyproject.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_passes_the_kit_and_mixes(path: Path, tmp_path: Path, install: Install) -> None:
    # A copy, since building a wheel must leave no files in the repository.
    name = f"flowzoo-{path.parent.name}"
    install(Path(shutil.copytree(path.parent, tmp_path / name)))
    plugin = default_registry().installed(name)
    assert plugin is not None
    assert not plugin.imported_torch
    assert {each.kind for each in plugin.components} == {"bijector", "suite"}

    for case in cases_of(name):
        if case.trial.component.kind != "suite":  # its models belong to plugins that are left out here
            case.check()
    for mixture in mixtures_of(name):
        mixture.check()


def test_there_are_examples() -> None:
    assert [each.parent.name for each in EXAMPLES] == ["freia", "zuko"]
