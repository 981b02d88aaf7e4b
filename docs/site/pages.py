"""Makes the pages that follow from the code: commands, options, components, results, Python's names.

MkDocs calls :func:`on_files`, which adds every page of :data:`PAGES`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://github.com/flowzoo/flowzoo/blob/main"
LINK = re.compile(r"(\]\()((?!https?:|#|mailto:)[^)\s]+)(\))")

NO_PROSE = re.compile(r"(`[^`]*`|!?\[[^\]]*\]\([^)]*\)|\*\*[^*]*\*\*)")
GLOSSARY = {
    "bijectors?": "bijector",
    "bits/dim": "bitsdim",
    "cascades?": "cascade",
    "conformance kit": "conformance-kit",
    "couplings?": "coupling",
    "density audit": "density-audit",
    "dequantisation": "dequantisation",
    "factored out": "factored-out",
    "flow matching": "flow-matching",
    "Hutchinson": "hutchinsons-estimate",
    "log-determinants?": "log_det",
}
"""Words that are explained, and the glossary's headings; not those that are everyday words as well."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that follow from the code, and those that live outside ``docs``."""
    for uri, page in PAGES.items():
        files.append(File.generated(config, uri, content=page()))
    return files


def on_page_markdown(markdown: str, *, page: Any, **kwargs: Any) -> str:
    """Let links that leave ``docs`` lead to the repository, and words of the glossary to it at first use."""
    uri = page.file.src_uri
    source = ROOT / "docs" / uri
    markdown = LINK.sub(lambda link: link[1] + _target(link[2], source) + link[3], markdown)
    return markdown if uri in PAGES or uri == "glossary.md" else explained(markdown, "../" * uri.count("/"))


def explained(markdown: str, up: str = "") -> str:
    """Return a page whose words of the glossary are links where they are first used in a sentence.

    Args:
        markdown: The page.
        up: What leads from the page's folder to the glossary's, such as ``../``.
    """
    waiting = dict(GLOSSARY)
    lines, fenced = [], False
    for line in markdown.split("\n"):
        fenced ^= line.lstrip().startswith("```")
        if not fenced and (line[:1].isalpha() or line.startswith(("* ", "1. "))):
            for word, anchor in list(waiting.items()):
                if f"{anchor}.md" in line or f"#{anchor})" in line:  # there is a link already
                    del waiting[word]
                    continue
                parts = NO_PROSE.split(line)  # every second part is code or a link
                for place in range(0, len(parts), 2):
                    link = rf"[\1]({up}glossary.md#{anchor})"
                    parts[place], count = re.subn(rf"\b({word})\b", link, parts[place], count=1)
                    if count:
                        line = "".join(parts)
                        del waiting[word]
                        break
        lines.append(line)
    return "\n".join(lines)


def _target(target: str, source: Path) -> str:
    place = (source.parent / target.partition("#")[0]).resolve()
    if place.is_relative_to(ROOT / "docs") or not place.exists():
        return target
    return f"{REPOSITORY}/{place.relative_to(ROOT)}"


def _commands() -> str:
    from typer.cli import get_docs_for_click
    from typer.main import get_command

    from flowzoo.cli.app import app

    program = get_command(app)
    context = program.context_class(program, info_name="flowzoo")
    parts = []
    for name in program.list_commands(context):
        _, command, _ = program.resolve_command(context, [name])
        text = get_docs_for_click(obj=command, ctx=context, name=name, call_prefix="flowzoo", indent=1)
        # The list of a group's commands shortens their summaries; the page's table of contents is better.
        text = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+\n?", "", text)
        parts.append(re.sub(r"^(#+ )`(.*)`$", r"\1\2", text, flags=re.MULTILINE))
    return _page("Commands", "`flowzoo --debug COMMAND` shows the traceback of an error.", *parts)


def _training() -> str:
    from flowzoo.experiment.training_options import TrainingOptions
    from flowzoo.registry.allowed import allowed

    schema = TrainingOptions.model_json_schema()["properties"]
    rows = [
        (f"`training.{name}`", _code(each["default"]), allowed(each), each.get("description", ""))
        for name, each in schema.items()
    ]
    return _page(
        "Training options",
        "Each option is set on the command line with `--set`, as in `--set training.batch_size=128`, in a "
        "YAML file for `--config`, or in a suite. [Train, evaluate, sample](../training-and-evaluation.md) "
        "explains how training works.",
        _table(("option", "default", "allowed", "meaning"), rows),
    )


def _components() -> str:
    from flowzoo.component import KINDS
    from flowzoo.registry.describe import describe
    from flowzoo.registry.loader import default_registry

    registry = default_registry()
    parts = []
    for kind in KINDS:
        parts.append(f"## {kind.capitalize()}s")
        for name in registry.names(kind):
            component = registry.find(kind, name)
            parts += [f"### {kind} `{name}`", f"{component.summary}."]
            if kind == "command":
                parts.append(f"See [commands](commands.md#flowzoo-{name}).")
                continue
            options = [
                (
                    f"`{each.name}`",
                    "" if each.required else _code(each.default),
                    each.allowed,
                    each.description,
                )
                for each in describe(registry, component)
            ]
            if options:
                parts.append(_table(("option", "default", "allowed", "meaning"), options))
    return _page(
        "Components",
        "Everything that flowzoo and the plugins of its repository register, with all options. "
        "`flowzoo show NAME` shows the same for what you have installed. [Exchange parts](../mixing.md) "
        "explains how options with dots are set.",
        *parts,
    )


def _results() -> str:
    return _page(
        "Results",
        "`flowzoo bench run` writes one JSON file for each cell. It holds a `Result`, whose fields are "
        "listed here. "
        "`flowzoo bench report` reads nothing else. [Run a benchmark](../benchmarks.md) explains the words.",
        *(
            f"::: {path}"
            for path in (
                "flowzoo.bench.result.Result",
                "flowzoo.bench.result.DataFacts",
                "flowzoo.bench.result.Spent",
                "flowzoo.bench.result.Environment",
                "flowzoo.bench.result.Failure",
            )
        ),
        "A figure of a metric is a [`Measurement`][flowzoo.metric.Measurement].",
    )


def _interface(module: str, title: str, text: str, elsewhere: Iterable[str] = ()) -> Callable[[], str]:
    """Return what makes the page of a module: each name that it exports, once in the whole site."""

    def page() -> str:
        known = {path: each for each in elsewhere for path in exported(each).values()}
        own = {name: path for name, path in exported(module).items() if path not in known}
        shared = {name: path for name, path in exported(module).items() if path in known}
        also = ", ".join(f"[`{name}`][{path}]" for name, path in sorted(shared.items()))
        parts = [f"::: {path}" for _, path in sorted(own.items(), key=lambda item: item[0].lower())]
        return _page(
            title,
            text,
            *([f"Also exported here, and described on other pages: {also}."] if also else []),
            *parts,
        )

    return page


def exported(module: str) -> dict[str, str]:
    """Return the names that a module exports, each with the path at which it is defined."""
    package = _package()
    members = package[module.partition(".")[2]].members if "." in module else package.members
    return {
        name: each.target_path
        for name, each in members.items()
        if each.is_alias and not name.startswith("_") and each.target_path.startswith("flowzoo.")
    }


@functools.cache
def _package() -> Any:
    return griffe.load("flowzoo", search_paths=[ROOT])


def _file(name: str) -> Callable[[], str]:
    """Return what makes a page of a file of the repository, whose links to ``docs`` lead to pages."""

    def page() -> str:
        text = (ROOT / name).read_text(encoding="utf-8")
        return re.sub(r"\]\(docs/", "](", text)

    return page


def _page(title: str, *parts: str) -> str:
    return "\n\n".join((f"# {title}", *parts)) + "\n"


def _code(value: Any) -> str:
    return f"`{value if isinstance(value, str) else json.dumps(value)}`" if value != "" else ""


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join((line(heading), line("---" for _ in heading), *map(line, rows)))


PAGES: dict[str, Callable[[], str]] = {
    "changelog.md": _file("CHANGELOG.md"),
    "contributing.md": _file("CONTRIBUTING.md"),
    "security.md": _file("SECURITY.md"),
    "reference/commands.md": _commands,
    "reference/training.md": _training,
    "reference/components.md": _components,
    "reference/results.md": _results,
    "reference/flowzoo.md": _interface(
        "flowzoo",
        "Python: flowzoo",
        "What a program imports from `flowzoo`. Start with the [quick start](../quick-start.md).",
    ),
    "reference/api.md": _interface(
        "flowzoo.api",
        "Python: flowzoo.api",
        "What a plugin imports from flowzoo, and all that it may import. "
        "Start with [write a plugin](../writing-a-plugin.md). "
        "[The plugin reference](../plugin-reference.md) has the rules.",
        elsewhere=["flowzoo"],
    ),
    "reference/testing.md": _interface(
        "flowzoo.testing",
        "Python: flowzoo.testing",
        "The conformance kit: checks that every component has to pass. A plugin's tests import it.",
        elsewhere=["flowzoo", "flowzoo.api"],
    ),
}
