"""Commands that plugins bring: listed without being imported, and harmless where they fail."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from flowzoo.cli.app import app
from flowzoo.registry.loader import default_registry

PLUGIN = """
    from flowzoo.api import Component, hookimpl

    flowzoo_api_version = 2

    @hookimpl
    def flowzoo_components():
        return [
            Component("command", "greet", "greeting:greet", "Greet somebody.", example="flowzoo greet Ada"),
            Component("command", "broken", "no_such_module:run", "Fails."),
            Component("command", "list", "greeting:greet", "Takes a name of flowzoo's own."),
        ]
"""
COMMAND = """
from typing import Annotated
import typer
from flowzoo.api import OptionError, say

def greet(
    name: Annotated[str, typer.Argument(help="Whom to greet.")],
    loudly: Annotated[bool, typer.Option("--loudly", help="Use capitals.")] = False,
) -> None:
    '''Greet somebody,
    in one line.'''
    print("something that a library prints")
    if not name.isalpha():
        raise OptionError(f"'{name}' is no name")
    if name == "Nobody":
        raise ZeroDivisionError("division by zero")
    if name == "Leave":
        raise typer.Exit(7)
    say(f"Hello {name.upper() if loudly else name}")
"""


@pytest.fixture(autouse=True)
def installed(install_plugin, tmp_path, monkeypatch):
    install_plugin("flowzoo-hello", PLUGIN)
    (tmp_path / "greeting.py").write_text(COMMAND)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "greeting", raising=False)


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "80"})
    assert result.exit_code == code, result.output
    return result


def test_help_lists_them_without_importing_them():
    shown = run("--help").stdout
    assert "Greet somebody." in shown
    assert "broken" in shown
    assert shown.index("check ") < shown.index("greet ")
    assert "greeting" not in sys.modules


def test_one_runs_as_flowzoos_own_do():
    assert run("greet", "Ada", "--loudly").stdout == "Hello ADA\n"
    mistake = run("greet", "7", code=2)
    assert (mistake.stdout, mistake.stderr.splitlines()[-1]) == ("", "error: '7' is no name")
    help_ = run("greet", "--help").stdout
    assert "Greet somebody, in one line." in help_
    assert "Example: flowzoo greet Ada" in help_


def test_one_that_cannot_be_imported_fails_alone():
    failed = run("broken", code=2)
    assert "command 'broken'" in failed.stderr
    assert "no_such_module" in failed.stderr
    run("list")


def test_a_mistake_in_one_names_its_plugin_in_one_line():
    (said,) = run("greet", "Nobody", code=2).stderr.splitlines()[1:]
    assert said.startswith("error: command 'greet' of flowzoo-hello failed: ZeroDivisionError")
    run("greet", "Leave", code=7)


def test_a_name_of_flowzoos_own_keeps_its_meaning():
    assert "models" in run("list").stdout
    assert [str(clash) for clash in default_registry().clashes if "list" in str(clash)]
    assert run("flowzoo-hello/list", "Ada").stdout == "Hello Ada\n"


def test_a_name_that_is_nearly_one_is_suggested():
    assert "did you mean 'greet'?" in run("gret", code=2).stderr
