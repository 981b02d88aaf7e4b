"""The directory of plugins, and what installs from it; nothing here runs pip."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flowzoo.cli.app import app
from flowzoo.component import KINDS
from flowzoo.registry.directory import read_directory
from flowzoo.registry.loader import default_registry

ROOT = Path(__file__).parents[2]


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the commands that would have been run."""
    calls: list[list[str]] = []

    def note(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return subprocess.CompletedProcess(command, 1 if "flowzoo-pnf" in command else 0)

    monkeypatch.setattr("flowzoo.cli.install.subprocess.run", note)
    return calls


def test_the_directory_has_every_plugin_of_the_repository_as_it_is() -> None:
    listed = {each.name: each for each in read_directory()}
    folders = [*ROOT.glob("plugins/*/pyproject.toml"), *ROOT.glob("examples/*/pyproject.toml")]
    assert len(listed) == len(folders) == len(read_directory())
    for name, each in listed.items():
        assert each.home.startswith("https://")
        assert each.pip.partition(" @ ")[0] == name
        assert each.summary
        assert set(each.kinds) <= set(KINDS)
        plugin = default_registry().installed(name)
        if plugin is not None:
            assert set(each.kinds) == {component.kind for component in plugin.components}


def test_what_is_available_is_listed(install_plugin) -> None:
    rows = json.loads(run("plugins", "--available", "--json").stdout)
    assert {each["name"] for each in rows} == {each.name for each in read_directory()}
    assert not any(each["installed"] for each in rows)
    assert "flowzoo install zuko" in run("plugins", "--available").stdout


def test_a_name_of_the_directory_is_installed_by_pip(install_plugin, pip) -> None:
    wanted = [sys.executable, "-m", "pip", "install", "flowzoo-spline"]
    assert run("install", "spline", "--dry-run").stdout.split() == wanted
    assert pip == []
    run("install", "Flowzoo_Spline", "--yes")
    assert pip == [wanted]
    assert "flowzoo-pnf" in run("install", "pnf", "--yes", code=2).stderr


def test_nothing_is_installed_unasked_or_under_an_unknown_name(install_plugin, pip) -> None:
    assert "--yes" in run("install", "spline", code=2).stderr
    unknown = run("install", "splyne", "--yes", code=2).stderr
    assert "did you mean 'spline'" in unknown
    assert "left-pad" in run("install", "left-pad", "--yes", code=2).stderr
    assert pip == []


def test_what_is_installed_is_not_installed_again(install_plugin, pip) -> None:
    source = """
        from flowzoo.api import Component, hookimpl
        flowzoo_api_version = 2

        @hookimpl
        def flowzoo_components():
            return [Component("bijector", "bent", "flowzoo_zuko:build", "Bent")]
    """
    install_plugin("flowzoo-zuko", source)
    assert "already" in run("install", "zuko", "--yes").stdout
    assert pip == []


BENT = """
    IMPORT
    from flowzoo.api import Component, hookimpl
    flowzoo_api_version = 2

    def build(shape, context_shape, builder): ...

    @hookimpl
    def flowzoo_components():
        return [Component("bijector", "bent", "flowzoo_bent:build", "Bent")]
"""


@pytest.mark.parametrize("loads", [True, False])
def test_a_plugin_whose_dependency_is_missing_is_marked(install_plugin, tmp_path: Path, loads: bool) -> None:
    install_plugin("flowzoo-bent", BENT.replace("IMPORT", "" if loads else "import no_such_module"))
    about = tmp_path / "site-packages" / "flowzoo_bent-1.0.dist-info" / "METADATA"
    about.write_text(
        "Metadata-Version: 2.4\nName: flowzoo-bent\nVersion: 1.0\nLicense-Expression: MIT\n"
        "Project-URL: Homepage, https://example.org/bent\n"
        "Requires-Dist: torch>=2.6\nRequires-Dist: no-such-library>=1.0\n"
        "Requires-Dist: another; extra == 'x'\n"
    )
    default_registry.cache_clear()
    (row,) = [each for each in json.loads(run("plugins", "--json").stdout) if "bent" in each["distribution"]]
    assert row["status"] == ("missing" if loads else "failed")
    assert row["reasons"][-1].endswith("pip install 'no-such-library>=1.0'")
    if loads:
        data = json.loads(run("show", "bent", "--json").stdout)
        assert (data["home_page"], data["licence"]) == ("https://example.org/bent", "MIT")
        assert "https://example.org/bent" in run("show", "bent").stdout
