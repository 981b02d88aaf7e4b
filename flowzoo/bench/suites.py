"""Finds a suite by its name or in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowzoo.bench.suite import Suite, SuiteError, parse_suite, read_suite
from flowzoo.registry.build import build_component
from flowzoo.registry.loader import default_registry


def find_suite(name: str) -> Suite:
    """Return a suite by its registered name, or from a YAML file by its path.

    Raises:
        UnknownNameError: There is no such suite.
        OptionError: It has mistakes, or the file cannot be read.
        PluginError: The plugin that brings it fails.
    """
    if name.endswith((".yaml", ".yml")):
        return read_suite(Path(name))
    registry = default_registry()
    name = registry.address(registry.find("suite", name))
    return as_suite(name, build_component("suite", name))


def as_suite(name: str, found: Any) -> Suite:
    """Return the suite that a builder returned: a mapping, or the path of a YAML file.

    Raises:
        OptionError: It has mistakes, or the file cannot be read.
    """
    if isinstance(found, Path):
        found = read_suite(found)
    if isinstance(found, Mapping):
        found = parse_suite(name.rpartition("/")[2], found)
    if not isinstance(found, Suite):
        raise SuiteError(
            f"suite '{name}' built a {type(found).__name__}; its plugin must return a mapping as a suite "
            "file holds it, or the path of such a file"
        )
    return found.model_copy(update={"name": name})
