"""Checks the components that a plugin's hook returns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flowzoo.component import KINDS, Check, Component
from flowzoo.errors import PluginError, did_you_mean

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_BUILD = re.compile(r"[A-Za-z_][\w.]*:([A-Za-z_]\w*|suites/[^/]+\.yaml)")


@dataclass(frozen=True)
class Checked:
    """The components of a plugin's hook, checked one by one.

    Attributes:
        components: The components that can be used.
        skipped: The error of each of the others, in one line.
    """

    components: tuple[Component, ...]
    skipped: tuple[str, ...] = ()


def check_components(results: list[Any], files: list[Component]) -> Checked:
    """Check the components that a hook returned. One that cannot be used does not affect the others.

    Args:
        results: What pluggy returns for one plugin: a list that holds what its hook returned.
        files: The plugin's components that are files.

    Raises:
        PluginError: The result is not a list of components, or none of them can be used.
    """
    if len(results) != 1 or not isinstance(results[0], list):
        found = type(results[0]).__name__ if results else "None"
        raise PluginError(f"flowzoo_components returned {found}; it must return a list of Component")
    components: list[Component] = []
    skipped: list[str] = []
    for each in [*results[0], *files]:
        try:
            components.append(_checked(each))
        except PluginError as problem:
            skipped.append(str(problem))
    names = Counter((each.kind, each.name) for each in components)
    skipped += [
        f"registers {kind} '{name}' twice; give one another name"
        for (kind, name), count in names.items()
        if count > 1
    ]
    # Copies, so that a component that two plugins return has only one plugin each.
    usable = tuple(replace(each) for each in components if names[each.kind, each.name] == 1)
    if skipped and not usable:
        raise PluginError(skipped[0])
    return Checked(usable, tuple(skipped))


def _checked(component: Any) -> Component:
    if not isinstance(component, Component):
        raise PluginError(
            f"flowzoo_components returned a list holding {component!r:.60}; each item must be a Component"
        )
    for field, kind in _FIELD_TYPES.items():
        value = getattr(component, field)
        if not isinstance(value, kind):
            raise PluginError(
                f"component {component.name!r}: {field} is {value!r:.60}, expected {kind.__name__}"
            )
    where = f"component {component.name!r:.60}"
    if component.kind not in KINDS:
        hint = did_you_mean(component.kind, KINDS)
        raise PluginError(
            f"{where}: no kind '{component.kind}'{hint or ';'} kinds: {', '.join(KINDS)}; "
            "a newer flowzoo may have it"
        )
    if not _NAME.fullmatch(component.name):
        raise PluginError(
            f"{where}: a name must be lower-case letters and digits, separated by single hyphens"
        )
    if not _BUILD.fullmatch(component.build):
        raise PluginError(f"{where}: build is '{component.build}', expected 'package.module:callable'")
    if not component.summary.strip() or "\n" in component.summary:
        raise PluginError(f"{where}: summary must be one line of text")
    if component.defaults is not None and not isinstance(component.defaults, Mapping):
        raise PluginError(f"{where}: defaults is {component.defaults!r:.60}, expected a mapping of options")
    presets = component.presets
    if not isinstance(presets, Mapping) or not all(
        isinstance(name, str) and isinstance(options, Mapping) for name, options in presets.items()
    ):
        raise PluginError(f"{where}: presets is {presets!r:.60}, expected a mapping of names to options")
    checks = component.check if isinstance(component.check, tuple) else (component.check,)
    if not checks or not all(isinstance(each, Check) for each in checks):
        raise PluginError(f"{where}: check is {component.check!r:.60}, expected Check, or a tuple of them")
    if component.revision < 1:
        raise PluginError(f"{where}: revision is {component.revision}, expected at least 1")
    return component


_FIELD_TYPES: dict[str, type] = {
    "kind": str,
    "name": str,
    "build": str,
    "summary": str,
    "reference": str,
    "revision": int,
    "exact": bool,
    "example": str,
}
