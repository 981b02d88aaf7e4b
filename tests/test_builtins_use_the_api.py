"""What built-in metrics and data sets use is exported, so that a plugin could have written them."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowzoo.api
from flowzoo.registry.loader import default_registry

METRICS = "flowzoo.bench.metrics"

NOT_EXPORTED = {
    "flowzoo.bench.metrics.bits_per_dim": {
        "DENSITY",
        "SECONDS",
        "ImageBits",
        "ImageConditions",
        "split_revision",
    },
    # The readers of files in formats and folders that only these data sets come in.
    "flowzoo.data.fashion_mnist": {"list_folder", "read_hub", "read_idx", "read_tables"},
    "flowzoo.data.images": {
        "FIRST",
        "KNOWN",
        "Listing",
        "NAMES",
        "affixes",
        "find_one",
        "find_tables",
        "list_folder",
        "looks_like_a_split",
        "open_folder",
        "said_of_rest",
        "split_of",
    },
    # The photographs of Debian packages, and how they are cut.
    "flowzoo.data.wallpapers": {
        "Packages",
        "Photographs",
        "Regions",
        "find_photographs",
        "in_grid",
        "kept_where_possible",
    },
}
"""What the modules import that plugins cannot; it grows for no other reason than those given here."""


def modules() -> Iterator[str]:
    folder = Path(importlib.import_module(METRICS).__path__[0])
    yield from (f"{METRICS}.{path.stem}" for path in sorted(folder.glob("*.py")) if path.stem != "__init__")
    builds = {
        each.build for each in default_registry().components("dataset") if each.build.startswith("flowzoo.")
    }
    yield from sorted({each.partition(":")[0] for each in builds})


@pytest.mark.parametrize("module", list(modules()))
def test_a_plugin_could_have_written_it(module: str) -> None:
    source = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    imported = {
        (alias.name, statement.module)
        for statement in ast.walk(ast.parse(source))
        if isinstance(statement, ast.ImportFrom) and str(statement.module).startswith("flowzoo")
        if not str(statement.module).startswith(METRICS)  # of its own package
        for alias in statement.names
    }
    exported = set(flowzoo.api._HOMES.items())

    assert {name for name, _ in imported - exported} == NOT_EXPORTED.get(module, set())
