"""New plugins: the folder is complete, its components work, and a bad name is one line."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from flowzoo.cli.app import app
from flowzoo.component import KINDS
from flowzoo.errors import OptionError
from flowzoo.registry.loader import default_registry
from flowzoo.scaffold.make import new_plugin
from flowzoo.testing import cases_of, check_log_likelihoods, mixtures_of
from tests.scaffold.conftest import Install

SLOW = ("another-process",)
"""Checks of the kit that start a process; what they find has nothing to do with the template."""


@pytest.fixture
def on_the_authors_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """New figures are stored there; in CI a file that lacks them is a failure."""
    monkeypatch.delenv("CI", raising=False)


@pytest.mark.usefixtures("on_the_authors_machine")
def test_a_plugin_of_every_kind_passes_all_its_tests(tmp_path: Path, install: Install) -> None:
    folder = new_plugin("all-kinds", KINDS, tmp_path / "made")
    install(folder)
    plugin = default_registry().installed("flowzoo-all-kinds")
    assert plugin is not None
    assert {each.kind for each in plugin.components} == set(KINDS)
    assert not plugin.imported_torch

    for case in cases_of("flowzoo-all-kinds"):
        if case.name not in SLOW:
            case.check()
    for mixture in mixtures_of("flowzoo-all-kinds"):
        if mixture.trial.component.kind != "network":  # no bijector that takes one is installed here
            mixture.check()
    stored = folder / "tests" / "log_likelihoods.json"
    check_log_likelihoods("flowzoo-all-kinds", stored)
    assert stored.read_text().count("revision") == 6


@pytest.mark.parametrize("kinds", [KINDS, *([kind] for kind in KINDS)], ids=str)
def test_the_files_are_as_tidy_as_ours(tmp_path: Path, kinds: list[str]) -> None:
    from trove_classifiers import classifiers

    folder = new_plugin("flowzoo-tidy", kinds, tmp_path / "made", author='Ada "the first" & Co\n')
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "flowzoo-tidy"
    assert project["authors"] == [{"name": 'Ada "the first" & Co'}]
    assert {"flowzoo", "flowzoo-plugin"} <= set(project["keywords"])
    assert set(project["classifiers"]) <= classifiers
    assert 'Ada "the first" & Co' in (folder / "LICENSE").read_text()
    workflow = yaml.safe_load((folder / ".github/workflows/test.yml").read_text())
    assert "pytest" in str(workflow["jobs"]["test"]["steps"])
    imported = {
        name
        for path in folder.rglob("*.py")
        for name in re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
    }
    known = {re.match(r"\w+", each)[0] for each in [*project["dependencies"], "pytest"]}  # type: ignore[index]
    assert imported - sys.stdlib_module_names <= known
    for arguments in (["check", "--ignore=D", "--isolated", "--select=E,F,UP,B"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--line-length=110", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.usefixtures("on_the_authors_machine")
def test_from_nothing_to_a_ranked_row(tmp_path: Path, install: Install, monkeypatch) -> None:
    made = tmp_path / "flowzoo-ranked"
    arguments = ["new-plugin", "ranked", "--out", str(made)]
    for kind in ("bijector", "model", "suite"):
        arguments += ["--kind", kind]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "pytest" in shown.stdout
    site = install(made)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), *sys.path]))

    some = "-k=log-det or works or revision"  # the test above makes all checks
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", some, "tests"]
    done = subprocess.run(command, cwd=made, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert (made / "tests" / "log_likelihoods.json").exists()

    suite = tmp_path / "ranked.yaml"
    own = (made / "src" / "flowzoo_ranked" / "suites" / "ranked.yaml").read_text()
    suite.write_text(own.replace("[gaussian, ranked]", "[ranked]").replace("steps: 30", "steps: 3"))
    results = tmp_path / "results"
    shown = CliRunner().invoke(app, ["bench", "run", str(suite), "--out", str(results)])
    assert shown.exit_code == 0, shown.output
    report = CliRunner().invoke(app, ["bench", "report", str(results)])
    (row,) = [line for line in report.stdout.splitlines() if " ranked " in line]
    assert re.match(r"\W*[12]\W", row), report.stdout


def test_an_author_writes_less_than_forty_lines_for_a_bijector(tmp_path: Path) -> None:
    package = new_plugin("short", ["bijector"], tmp_path / "made") / "src" / "flowzoo_short"
    code = [line for line in (package / "bijector.py").read_text().splitlines() if line.strip()]
    assert len(code) < 40


@pytest.mark.parametrize(
    "name", ["", "My-Flow", "my_flow", "my--flow", "2flow", "flowzoo-", "../x", "né", "a b"]
)
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OptionError, match="name"):
        new_plugin(name, ["bijector"], tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_names_that_are_taken_are_refused(tmp_path: Path, install_plugin) -> None:
    source = """
        from flowzoo.api import Component, hookimpl
        flowzoo_api_version = 2

        @hookimpl
        def flowzoo_components():
            return [Component("bijector", "bent", "flowzoo_taken:build", "Bent")]
    """
    install_plugin("flowzoo-taken", source)
    for name, named in {"taken": "flowzoo-taken", "bent": "bijector 'bent'", "haar": "'haar'"}.items():
        with pytest.raises(OptionError, match=named):
            new_plugin(name, ["bijector", "transform"], tmp_path / "made")
    with pytest.raises(OptionError, match="did you mean 'bijector'"):
        new_plugin("free", ["bijecter"], tmp_path / "made")
    assert new_plugin("bent", ["split"], tmp_path / "made").is_dir()


def test_a_folder_that_holds_something_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    shown = CliRunner().invoke(app, ["new-plugin", "free", "--out", str(tmp_path)])
    assert shown.exit_code == 2
    (line,) = shown.stderr.splitlines()
    assert str(tmp_path) in line
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]
