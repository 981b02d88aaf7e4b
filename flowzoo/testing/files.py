"""What a data set needs that does not come with its package: a folder of files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowzoo.component import Component
from flowzoo.registry.signature import options_of
from flowzoo.testing.result import NeedsFiles

ROOT = "root"
"""The option that every file-based data set takes; without it, one that has a default asks the network."""


def missing_options(component: Component, given: Mapping[str, Any]) -> list[str]:
    """Return the options without which a data set's images are not at hand: ``root`` and those required."""
    options = options_of(component)
    needed = [name for name, option in options.items() if option.required or name == ROOT]
    return [name for name in needed if name not in given]


def require_files(component: Component, given: Mapping[str, Any]) -> None:
    """Leave the check unmade where a data set's files were not given.

    Raises:
        NeedsFiles: It says which options to give, and how.
    """
    missing = missing_options(component, given)
    if missing:
        folder = f"the folder that holds {component.name}" if missing == [ROOT] else "its files"
        raise NeedsFiles(f"needs files: give the option {', '.join(missing)}, {folder}")
