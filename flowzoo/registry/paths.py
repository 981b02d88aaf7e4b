"""Options that say where files are: found by their types, and made independent of the current folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowzoo.component import Component
from flowzoo.registry.allowed import Schema
from flowzoo.registry.signature import options_of

_FORMATS = ("path", "file-path", "directory-path")
"""Pydantic's names of the formats of paths."""


def path_options(component: Component) -> list[str]:
    """Return the names of the options that say where files are.

    They are those annotated with :class:`pathlib.Path`, or marked by
    :class:`~flowzoo.component.FilePlace`; lists and mappings of such are among them.

    Raises:
        PluginError: The component's builder cannot be imported or its options cannot be read.
    """
    return [name for name, option in options_of(component).items() if _holds_paths(option.schema)]


def with_absolute_paths(component: Component, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with all paths absolute, ``~`` expanded; others are left as they are.

    Links are kept, so that the paths keep their meaning.

    Raises:
        PluginError: As :func:`path_options`.
    """
    paths = path_options(component)
    return {name: _absolute(value) if name in paths else value for name, value in given.items()}


def _holds_paths(schema: Schema) -> bool:
    if schema.get("format") in _FORMATS:
        return True
    inner = [schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())]
    return any(_holds_paths(each) for each in inner if isinstance(each, Mapping))


def _absolute(value: Any) -> Any:
    if isinstance(value, str | os.PathLike):
        # Not Path.expanduser, which raises an error for an unknown user's "~name".
        return str(Path(os.path.expanduser(value)).absolute()) if os.fspath(value) else ""
    if isinstance(value, Mapping):
        return {key: _absolute(each) for key, each in value.items()}
    return [_absolute(each) for each in value] if isinstance(value, list | tuple) else value
