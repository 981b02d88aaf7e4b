"""The site: pages that follow from the code are complete, and what the pages tell users to type exists."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from typer.main import get_command

import flowzoo
import flowzoo.api
import flowzoo.testing
from flowzoo.bench.result import Result
from flowzoo.cli.app import app
from flowzoo.component import KINDS
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.registry.loader import default_registry

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
WRITTEN = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", *ROOT.glob("plugins/*/README.md")])


@pytest.fixture(scope="module")
def pages() -> Iterator[ModuleType]:
    """Return the module that makes pages; Griffe finds the package from the root."""
    spec = importlib.util.spec_from_file_location("site_pages", DOCS / "site/pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["site_pages"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["site_pages"]


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", text, re.MULTILINE)


@functools.cache
def commands() -> dict[tuple[str, ...], Any]:
    """Return every command and group by its words, such as ``("bench", "run")``."""

    def walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
        yield words, command
        context = command.context_class(command, info_name="flowzoo")
        for name in getattr(command, "list_commands", lambda context: [])(context):
            yield from walk((*words, name), command.resolve_command(context, [name])[1])

    return dict(walk((), get_command(app)))


def test_every_command_stands_in_the_reference(pages: ModuleType) -> None:
    page = pages.PAGES["reference/commands.md"]()
    assert set(headings(page)) >= {" ".join(["flowzoo", *words]) for words in commands() if words}


def test_every_training_option_stands_in_the_reference(pages: ModuleType) -> None:
    page = pages.PAGES["reference/training.md"]()
    for name, field in TrainingOptions.model_fields.items():
        default = field.default if isinstance(field.default, str) else json.dumps(field.default)
        assert f"| `training.{name}` | `{default}` |" in page
        assert field.description in page


def test_every_component_stands_in_the_reference(pages: ModuleType) -> None:
    page = pages.PAGES["reference/components.md"]()
    for kind in KINDS:
        for name in default_registry().names(kind):
            assert f"### {kind} `{name}`" in page


def test_every_field_of_a_result_is_described() -> None:
    for field in dataclasses.fields(Result):
        assert re.search(rf"^        {field.name}: ", str(Result.__doc__), re.MULTILINE), field.name


@pytest.mark.parametrize(
    "module", [flowzoo, flowzoo.api, flowzoo.testing], ids=lambda module: module.__name__
)
def test_every_exported_name_stands_in_the_reference(pages: ModuleType, module: ModuleType) -> None:
    exported = pages.exported(module.__name__)
    assert set(exported) >= {name for name in module.__all__ if not name.startswith("_")}
    text = "\n".join(pages.PAGES[f"reference/{name}.md"]() for name in ("flowzoo", "api", "testing"))
    for path in exported.values():
        assert text.count(f"::: {path}\n") == 1, path


def test_links_out_of_the_docs_lead_to_the_repository(pages: ModuleType) -> None:
    source = DOCS / "density-audit.md"
    assert pages._target("../benchmarks/results/audit.md", source) == (
        f"{pages.REPOSITORY}/benchmarks/results/audit.md"
    )
    assert pages._target("data.md#revisions", source) == "data.md#revisions"
    assert pages._target("missing.md", source) == "missing.md"  # MkDocs refuses it then


def test_words_of_the_glossary_are_links_at_first_use(pages: ModuleType) -> None:
    text = "# A coupling\n\nOf `coupling` and [a coupling](x.md), a coupling.\n\n    coupling\n\nA coupling."
    link = "[coupling](../glossary.md#coupling)"
    assert pages.explained(text, "../") == text.replace("a coupling.\n\n ", f"a {link}.\n\n ", 1)
    glossary = (DOCS / "glossary.md").read_text(encoding="utf-8")
    anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings(glossary)}
    assert set(pages.GLOSSARY.values()) <= anchors


def test_docstrings_become_markdown() -> None:
    spec = importlib.util.spec_from_file_location("site_docstrings", DOCS / "site/docstrings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = "See :class:`~flowzoo.flow.Flow` and :data:`EXACT`, as in::\n\n    a::b"
    assert (
        module.markdown("One.\n\n>>> f(1)[0]\n2\n\nMore.") == "One.\n\n```pycon\n>>> f(1)[0]\n2\n```\n\nMore."
    )
    assert module.markdown(text) == "See `Flow` and `EXACT`, as in:\n\n    a::b"


def test_nothing_is_loaded_from_another_server() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = yaml.safe_load(text)
    assert settings["theme"]["font"] is False
    assert {"search", "offline"} <= {each for each in settings["plugins"] if isinstance(each, str)}
    assert [each for each in settings["extra"]["polyfills"] if each.startswith("http")] == []
    assert "mermaid" not in text


def typed(page: Path) -> Iterator[list[str]]:
    """Yield the words of every ``flowzoo ...`` line that a page shows in a block of code."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^ {4,}(flowzoo [a-z].*)$", text, re.MULTILINE):
        yield shlex.split(line, comments=True)
    for line in re.findall(r"`(flowzoo [a-z][^`]*)`", text):
        yield shlex.split(line)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_on_the_pages_exist_with_their_options(page: Path) -> None:
    known = commands()
    for words in typed(page):
        given = words[1:]
        depth = max(n for n in range(len(given) + 1) if tuple(given[:n]) in known)
        command = known[tuple(given[:depth])]
        if hasattr(command, "list_commands"):
            assert depth, f"no such command: {' '.join(words)}"
            assert not given[depth:], f"no such command: {' '.join(words)}"
        options = {
            "--help",
            *(name for each in command.params for name in (*each.opts, *each.secondary_opts)),
        }
        for word in given[depth:]:
            if word.startswith("-") and not word[1:2].isdigit():
                assert word.partition("=")[0] in options, f"no option {word}: {' '.join(words)}"
