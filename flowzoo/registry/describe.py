"""Describes a component's options, including those of its nested components."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowzoo.component import KINDS, Component, Kind
from flowzoo.registry.allowed import allowed, record
from flowzoo.registry.lookup import Registry
from flowzoo.registry.options import check_option, plain_value
from flowzoo.registry.signature import Option, options_of


@dataclass(frozen=True)
class OptionInfo:
    """An option, described.

    Attributes:
        name: Name of the option, with dots for an option of a nested component: ``bijector.blocks``.
        allowed: Type and range, such as ``int >= 1``; for a component its kind.
        default: Default as plain data; for a component its name.
        required: Whether there is no default.
        description: What the option does, as the plugin describes it.
    """

    name: str
    allowed: str
    default: Any
    required: bool
    description: str


def describe(registry: Registry, component: Component) -> tuple[OptionInfo, ...]:
    """Return a component's options, each followed by the options of its default component or mapping.

    Raises:
        PluginError: A builder cannot be imported or its options cannot be read.
        UnknownNameError: A component that is a default is not installed.
    """
    return tuple(_rows(registry, component, {}, ""))


def describe_presets(registry: Registry, component: Component) -> dict[str, dict[str, Any]]:
    """Return for each preset of a component the options that it changes, with its values as plain data.

    Nested components are given by name, as in :func:`describe`; errors are those of it, too.
    """
    usual = {each.name: each.default for each in describe(registry, component)}
    return {
        name: {
            each.name: each.default
            for each in _rows(registry, component, options, "")
            if each.name in usual and each.default != usual[each.name]
        }
        for name, options in component.presets.items()
    }


def _rows(
    registry: Registry, component: Component, defaults: Mapping[str, Any], prefix: str
) -> Iterator[OptionInfo]:
    for option in options_of(component).values():
        required = option.required and option.name not in defaults
        value = None
        if not required:
            value = plain_value(option, check_option(registry, component, option, {}, defaults))
        kind = _kind_of(option)
        fields = record(option.schema, value["name"]) if isinstance(value, dict) and "name" in value else {}
        nested = value if isinstance(value, dict) and (kind is not None or fields) else None
        yield OptionInfo(
            name=prefix + option.name,
            allowed=allowed(option.schema),
            default=nested["name"] if nested else value,
            required=required,
            description=option.description,
        )
        if kind is not None and nested is not None:
            inner = {key: each for key, each in nested.items() if key != "name"}
            found = registry.find(kind, nested["name"])
            yield from _rows(registry, found, inner, f"{prefix}{option.name}.")
        elif nested is not None:
            for name, schema in fields.items():
                path = f"{prefix}{option.name}.{name}"
                yield OptionInfo(path, allowed(schema), nested[name], False, schema.get("description", ""))


def _kind_of(option: Option) -> Kind | None:
    """Return the kind of component that an option takes; None if it takes another value."""
    types = [each.get("type") for each in (option.schema, *option.schema.get("anyOf", ()))]
    return next((kind for kind in KINDS if kind in types), None)
