"""Presets: named sets of a component's options, such as the settings of its paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowzoo.component import Component
from flowzoo.errors import OptionError, PluginError, did_you_mean
from flowzoo.registry.signature import options_of

PRESET = "preset"


def apply_preset(
    component: Component, given: Mapping[str, Any], defaults: Mapping[str, Any] | None
) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    """Return what is given without ``preset``, and the defaults with that preset's options over them.

    So options that are given beside a preset change it, as they change the defaults.

    Args:
        component: The component. If it has an option ``preset`` of its own, nothing is changed.
        given: Options by name, ``preset`` perhaps among them.
        defaults: Defaults that replace those of the signature.

    Raises:
        OptionError: There is no such preset.
        PluginError: The preset sets an option that the component does not have.
    """
    options = options_of(component)
    if PRESET not in given or PRESET in options:
        return given, defaults
    name, presets = given[PRESET], component.presets
    if not isinstance(name, str) or name not in presets:
        hint = did_you_mean(str(name), presets) or ";"
        raise OptionError(
            f"{component.kind} '{component.name}' has no preset {name!r:.60}{hint} "
            f"presets: {', '.join(presets) or 'none'}"
        )
    unknown = sorted(presets[name].keys() - options.keys())
    if unknown:
        raise PluginError(
            f"{component.kind} '{component.name}': the preset '{name}' sets {', '.join(unknown)}, "
            "which it has no options for. Its plugin must name options that exist"
        )
    rest = {key: value for key, value in given.items() if key != PRESET}
    return rest, {**(defaults or {}), **presets[name]}
