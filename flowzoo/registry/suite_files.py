"""Finds a plugin's suites: the YAML files in the folder ``suites`` of its package."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path

from flowzoo.component import Component
from flowzoo.errors import PluginError

FOLDER = "suites"
_ENDING = ".yaml"
_SUMMARY = re.compile(r"^summary:\s*(['\"]?)(.*?)\1\s*$", re.MULTILINE)


def suites_of(module: str) -> list[Component]:
    """Return the suites beside an imported module of a plugin.

    A suite has the name of its file. Only the summaries are read, without parsing YAML, which is slow.
    """
    package = sys.modules[module].__package__
    origin = sys.modules[module].__file__
    if not package or origin is None:  # a single module, beside which there may be any files
        return []
    return [
        Component("suite", path.stem, f"{package}:{FOLDER}/{path.name}", _summary(path))
        for path in sorted((Path(origin).parent / FOLDER).glob(f"*{_ENDING}"))
    ]


def is_suite_file(build: str) -> bool:
    """Whether a component's ``build`` names a file of a package and not a callable."""
    return build.endswith(_ENDING)


@functools.cache
def suite_file(build: str) -> Callable[[], Path]:
    """Return a builder that returns the path of a suite's file.

    Raises:
        PluginError: The package is not imported.
    """
    package, _, place = build.partition(":")
    module = sys.modules.get(package)
    if module is None or module.__file__ is None:
        raise PluginError(f"the suite '{build}' cannot be found: {package} is not imported")
    path = Path(module.__file__).parent / place
    return lambda: path


def _summary(path: Path) -> str:
    found = _SUMMARY.search(path.read_text(encoding="utf-8"))
    return found[2] if found else ""
