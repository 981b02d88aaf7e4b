"""What comes from outside: the template, copied and renamed, and a component of each kind in one module."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flowzoo.cli.app import app
from flowzoo.registry.loader import default_registry
from flowzoo.testing import cases_of

ROOT = Path(__file__).parent.parent
LINES = {"family": 25, "metric": 30, "dataset": 32, "command": 27}
"""How long each module of ``tests/outside`` may be."""
SUITE = """
summary: A floor
models: [gaussian]
data: [digits]
budget: {steps: 1}
metrics: [parameters]
"""


def renamed(folder: Path) -> Path:
    """Copy the template, put another name wherever it says "mine", and install it by its metadata alone."""
    made = folder / "yours"
    shutil.copytree(ROOT / "template", made)
    for path in sorted(made.rglob("*"), reverse=True):
        if path.is_file():
            path.write_text(re.sub("mine", "yours", re.sub("Mine", "Yours", path.read_text())))
        path.rename(path.with_name(path.name.replace("mine", "yours")))
    project = tomllib.loads((made / "pyproject.toml").read_text())["project"]
    info = made / "src" / f"flowzoo_yours-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = project["entry-points"]["flowzoo"].items()
    (info / "entry_points.txt").write_text("[flowzoo]\n" + "".join(f"{name} = {at}\n" for name, at in points))
    return made


def test_the_template_copied_and_renamed_passes_the_kit(tmp_path: Path) -> None:
    made = renamed(tmp_path)
    package = made / "src" / "flowzoo_yours"
    # One file and one line more, and the tests find it; a suite is a file alone.
    (package / "other.py").write_text("from flowzoo_yours.yours import build_yours as build_other\n")
    line = 'Component("bijector", "other", "flowzoo_yours.other:build_other", "A second one"),'
    listing = (package / "__init__.py").read_text()
    (package / "__init__.py").write_text(listing.replace("return [", f"return [\n        {line}", 1))
    (package / "suites").mkdir()
    (package / "suites" / "short.yaml").write_text(SUITE)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests"],
        cwd=made,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", *sys.path]), "FLOWZOO_PLUGINS": "yours"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 50


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
