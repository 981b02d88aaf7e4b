"""Options that were added after results had been recorded: what digests and stored options make of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from flowzoo.component import Component, Kind, Spec
from flowzoo.errors import FlowzooError
from flowzoo.registry.lookup import Registry
from flowzoo.registry.options import plain_value
from flowzoo.registry.signature import Option, options_of

Plain = dict[str, Any]
Change = Callable[[Mapping[str, Option], Plain], Plain]
"""Changes the options of one component, given what is known about each of them."""


def without_added(registry: Registry, kind: Kind, name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return resolved options without those marked :class:`~flowzoo.component.Added` that change nothing.

    So a digest of the options is the one that they had before such an option existed. Options that are not
    resolved, or do not fit what is installed, are returned as they are.
    """
    return _changed(registry, kind, name, options, _without)


def with_added(registry: Registry, kind: Kind, name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return stored options with those that were added since, at the values that stand for what was before.

    A model's record holds all options that there were. So one that it lacks is a later one, and its default
    may be something else now. Options that do not fit what is installed are returned as they are.
    """
    return _changed(registry, kind, name, options, _with)


def _without(known: Mapping[str, Option], plain: Plain) -> Plain:
    marks = {name: known[name].added for name in plain}
    return {
        name: each for name, each in plain.items() if (mark := marks[name]) is None or each != mark.before
    }


def _with(known: Mapping[str, Option], plain: Plain) -> Plain:
    return {name: each.added.before for name, each in known.items() if each.added is not None} | plain


def _changed(
    registry: Registry, kind: Kind, name: str, options: Mapping[str, Any], change: Change
) -> Mapping[str, Any]:
    try:
        return _of(registry, registry.find(kind, name), options, change)
    except (FlowzooError, KeyError, ValueError):
        return options


def _of(registry: Registry, component: Component, options: Mapping[str, Any], change: Change) -> Plain:
    known = options_of(component)

    def nested(kind: Kind, value: Any) -> Spec:
        if not isinstance(value, dict) or "name" not in value:
            raise ValueError("not a resolved component")
        given = {key: each for key, each in value.items() if key != "name"}
        return Spec(value["name"], **_of(registry, registry.find(kind, value["name"]), given, change))

    plain = {}
    for name, value in options.items():
        text = json.dumps(value, default=dict)
        checked = known[name].adapter.validate_json(text, strict=True, context=nested)
        plain[name] = plain_value(known[name], checked)
    return change(known, plain)
