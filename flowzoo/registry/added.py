"""Options that were added after results had been recorded, and what digests make of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flowzoo.component import Component, Kind, Spec
from flowzoo.errors import FlowzooError
from flowzoo.registry.lookup import Registry
from flowzoo.registry.options import plain_value
from flowzoo.registry.signature import options_of


def without_added(registry: Registry, kind: Kind, name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return resolved options without those marked :class:`~flowzoo.component.Added` that change nothing.

    So a digest of the options is the one that they had before such an option existed. Options that are not
    resolved, or do not fit what is installed, are returned as they are.
    """
    try:
        return _without(registry, registry.find(kind, name), options)
    except (FlowzooError, KeyError, ValueError):
        return options


def _without(registry: Registry, component: Component, options: Mapping[str, Any]) -> dict[str, Any]:
    known = options_of(component)

    def nested(kind: Kind, value: Any) -> Spec:
        if not isinstance(value, dict) or "name" not in value:
            raise ValueError("not a resolved component")
        given = {key: each for key, each in value.items() if key != "name"}
        return Spec(value["name"], **_without(registry, registry.find(kind, value["name"]), given))

    found = {}
    for name, value in options.items():
        option = known[name]
        text = json.dumps(value, default=dict)
        plain = plain_value(option, option.adapter.validate_json(text, strict=True, context=nested))
        if option.added is None or plain != option.added.before:
            found[name] = plain
    return found
