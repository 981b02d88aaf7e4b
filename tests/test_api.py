"""The two public modules offer what they promise, and import it when it is used and no earlier."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import flowzoo
import flowzoo.api

HEAVY = ("torch", "numpy", "pydantic", "datasets", "matplotlib", "jaxtyping", "sklearn", "PIL")
MODULES = [flowzoo, flowzoo.api]


@pytest.mark.parametrize("module", MODULES, ids=lambda each: each.__name__)
def test_every_name_is_there_and_listed(module):
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("module", MODULES, ids=lambda each: each.__name__)
def test_type_checkers_see_the_same_names(module):
    seen = {
        (alias.asname, statement.module)
        for statement in ast.walk(ast.parse(Path(module.__file__).read_text()))
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
        if alias.asname is not None
    }
    assert seen == set(module._HOMES.items())


@pytest.mark.parametrize("module", MODULES, ids=lambda each: each.__name__)
def test_a_name_that_is_not_there(module):
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018


def test_names_are_those_of_their_home():
    for name, home in flowzoo.api._HOMES.items():
        assert getattr(flowzoo.api, name) is getattr(importlib.import_module(home), name)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import flowzoo", (*HEAVY, "pluggy", "typer", "rich", "yaml")),
        ("from flowzoo.api import API_VERSION, Check, Component, Spec, hookimpl", HEAVY),
        ("import flowzoo.builtin", HEAVY),
        ("from flowzoo.registry.loader import load_registry; assert load_registry().plugins", HEAVY),
        ("import flowzoo.cli.app", HEAVY),
    ],
)
def test_what_has_to_be_fast_imports_nothing_heavy(statement, absent):
    script = f"{statement}\nimport sys\nprint(sorted(set({absent!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == "[]\n"


def test_listing_the_zoo_imports_nothing_heavy():
    command = [sys.executable, "-X", "importtime", "-m", "flowzoo", "list"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "flowzoo" in imported
    assert imported & {*HEAVY} <= {"pydantic"}, "pydantic comes with typer"
    assert "gaussian" in done.stdout
