"""Checks the options of components, and fills in defaults.

Options are plain data, as JSON holds them, and are checked strictly: ``"3"`` and ``True`` are no integers.
An option that takes a component is given as a name, a Spec, or a mapping with ``name`` and options.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from flowzoo.component import Component, Kind, Spec
from flowzoo.errors import FlowzooError, OptionError, PluginError, did_you_mean
from flowzoo.integers import plain_number
from flowzoo.registry.allowed import allowed, choices, record
from flowzoo.registry.lookup import Registry
from flowzoo.registry.presets import PRESET, apply_preset
from flowzoo.registry.short_names import spell_out
from flowzoo.registry.signature import Option, options_of


def resolve(registry: Registry, component: Component, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of a component as plain data, nested components' included.

    The result builds the same component even if defaults change later, and resolves to itself.

    Args:
        registry: The registry in which nested components are found.
        component: The component that has the options.
        given: Options by name; ``"bijector.blocks"`` names an option of a nested component, as ``"blocks"``
            does where no other has that name (:mod:`flowzoo.registry.short_names`). Where the
            default of an option is a component with options, what is given for the same component (or for
            none by name) is merged over its options; naming another component drops them. ``preset`` is the
            name of one of the component's presets, which are defaults then.

    Returns:
        Options by name; a nested component is ``{"name": ..., option: ...}``.

    Raises:
        OptionError: An option's name, type or value is wrong, or one without default is missing.
        UnknownNameError: A nested component does not exist.
        PluginError: A builder cannot be imported or its options cannot be read.
    """
    return _plain(component, check(registry, component, given))


def resolve_spec(registry: Registry, kind: Kind, value: str | Spec | Mapping[str, Any]) -> Spec:
    """Return a component asked for in any of the accepted forms, with all its options; errors as above."""
    try:
        return _nested(registry, registry, None, kind, value)
    except OptionError:
        raise
    except ValueError as error:
        raise OptionError(f"expected a {kind}, got {value!r:.80}: {error}") from error


def check(
    registry: Registry,
    component: Component,
    given: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all options of a component as its builder takes them; nested components as resolved Specs.

    Args:
        registry: The registry in which nested components are found.
        component: The component that has the options.
        given: As in :func:`resolve`.
        defaults: Defaults that replace those of the signature.

    Raises:
        OptionError: An option's name, type or value is wrong, or one without default is missing.
        UnknownNameError: A nested component does not exist.
        PluginError: A builder cannot be imported or its options cannot be read.
    """
    options = options_of(component)
    given, defaults = apply_preset(component, _gather_dotted(given), defaults)
    if not given.keys() <= options.keys():
        paths = [*options, *_nested_names(registry, component, given, defaults)]
        given = _gather_dotted(spell_out(given, paths, f"{component.kind} '{component.name}'"))
        for name in given:
            if name not in options:
                raise _unknown(component, paths, name)
    return {
        name: check_option(registry, component, option, given, defaults or {})
        for name, option in options.items()
    }


def check_option(
    registry: Registry,
    component: Component,
    option: Option,
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> Any:
    """Return one option's value; arguments and errors as in :func:`check`."""
    is_given = option.name in given
    default = defaults.get(option.name, option.default)
    if option.required and not is_given and option.name not in defaults:
        raise OptionError(_missing(component, option))
    value = _completed(given[option.name], default) if is_given else default
    authors = registry.seen_from(component)
    nested = functools.partial(
        _nested, registry if is_given else authors, authors, default if is_given else None
    )
    try:
        text = json.dumps(value, default=_to_plain)
        return option.adapter.validate_json(text, strict=True, context=nested)
    except ValidationError as error:
        raise _refused(component, option, value, error) from error
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"{_is(component, option, value)}, a {type(value).__name__}, which is not plain data; "
            f"allowed: {allowed(option.schema)}"
        ) from error


def _completed(value: Any, default: Any) -> Any:
    """Complete a mapping by the default's values, unless it has another name."""
    if not isinstance(value, Mapping) or not isinstance(default, Mapping) or "name" not in default:
        return value
    return {**default, **value} if value.get("name", default["name"]) == default["name"] else value


def plain_value(option: Option, value: Any) -> Any:
    """Return a checked value as plain data."""
    return option.adapter.dump_python(value, mode="json")


def _plain(component: Component, values: Mapping[str, Any]) -> dict[str, Any]:
    options = options_of(component)
    return {name: plain_value(options[name], value) for name, value in values.items()}


def _nested(registry: Registry, authors: Registry, default: Any, kind: Kind, value: Any) -> Spec:
    """Resolve an option that takes a component, over the default's options if it is the same component.

    Args:
        registry: The registry in which the given component is found.
        authors: The same registry, as the author of the option means it, in which the default is found.
        default: The option's default; None if there is none, or if it is the given value.
        kind: The kind that the option takes.
        value: The given value.
    """
    name, given = _take_apart(value)
    try:
        return _resolve_nested(registry, authors, default, kind, name, given)
    except RecursionError:
        raise PluginError(
            f"the default options of {kind} '{name}' contain it again, so building it would never end. "
            "Its plugin must give one of them another default"
        ) from None


def _resolve_nested(
    registry: Registry,
    authors: Registry,
    default: Any,
    kind: Kind,
    name: str | None,
    given: Mapping[str, Any],
) -> Spec:
    component: Component | None = None if name is None else registry.find(kind, name)
    family: Mapping[str, Any] | None = None
    if isinstance(default, Spec | str | Mapping):
        default_name, default_options = _take_apart(default)
        meant = None if default_name is None else _find(authors, kind, default_name, required=name is None)
        component = component or meant
        if meant is not None and component is meant:
            family = resolve(authors, meant, default_options)
    if component is None:
        raise OptionError(
            f"options {sorted(given)} are given for a {kind}, but no name. "
            f"Add 'name'; installed: {', '.join(registry.names(kind)) or 'none'}"
        )
    return Spec(registry.address(component), **_plain(component, check(registry, component, given, family)))


def _find(registry: Registry, kind: Kind, name: str, required: bool) -> Component | None:
    """Return a component; None if it is not installed and another one was requested."""
    try:
        return registry.find(kind, name)
    except FlowzooError:
        if required:
            raise
        return None


def _take_apart(value: Any) -> tuple[str | None, Mapping[str, Any]]:
    """Return name and options of a component that is given in any of the accepted forms."""
    if isinstance(value, str):
        return value, {}
    if isinstance(value, Spec):
        return value.name, value.options
    if isinstance(value, Mapping) and isinstance(value.get("name", ""), str):
        return value.get("name"), {key: each for key, each in value.items() if key != "name"}
    raise ValueError("neither a name, nor a mapping with a name and options")


def _gather_dotted(given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``{"bijector.blocks": 2}`` into ``{"bijector": {"blocks": 2}}``, one level deep."""
    gathered = {name: value for name, value in given.items() if "." not in name}
    for dotted in (name for name in given if "." in name):
        name, _, rest = dotted.partition(".")
        try:
            component, options = _take_apart(gathered.get(name, {}))
        except ValueError:
            raise OptionError(
                f"'{dotted}' is an option of a component, but '{name}' is {gathered[name]!r:.60}; "
                "give the name of a component, or leave one of the two out"
            ) from None
        gathered[name] = {**({"name": component} if component else {}), **options, rest: given[dotted]}
    return gathered


def _to_plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return {"name": value.name, **value.options}
    if isinstance(value, Mapping):
        return dict(value)
    number = plain_number(value)
    return to_jsonable_python(value) if number is value else number


def _missing(component: Component, option: Option) -> str:
    what = f" ({option.description.rstrip('.')})" if option.description else ""
    prefix = "data." if component.kind == "dataset" else ""
    how = f"--set {prefix}{option.name}=... on the command line, {option.name}=... in Python"
    return (
        f"{component.kind} '{component.name}' needs the option '{option.name}'{what}. Set it: {how}. "
        f"Allowed: {allowed(option.schema)}"
    )


def _refused(component: Component, option: Option, value: Any, error: ValidationError) -> OptionError:
    causes = [each.get("ctx", {}).get("error") for each in error.errors(include_url=False)]
    for cause in causes:
        if isinstance(cause, OptionError):
            return cause
    said = [f" ({cause})" for cause in causes if cause is not None] + _fields(option, value, error)
    texts = [each for each in choices(option.schema) if isinstance(each, str)]
    hint = did_you_mean(value, texts) if isinstance(value, str) else ""
    return OptionError(
        f"{_is(component, option, value)}; allowed: {allowed(option.schema)}{''.join(said)}{hint.rstrip()}"
    )


def _fields(option: Option, value: Any, error: ValidationError) -> list[str]:
    """Return what the wrong fields of a mapping may be, by every record that has all of the fields."""
    if not isinstance(value, Mapping):
        return []
    wrong = {each["loc"][-1] for each in error.errors(include_url=False) if each["loc"]}
    names = [value["name"]] if "name" in value else choices(option.schema)
    records = [record(option.schema, name) for name in names]
    said = [
        f"; {option.name}.{field}: {allowed(of[field])}"
        for of in records
        if value.keys() - {"name"} <= of.keys()
        for field in of
        if field in value and field in wrong
    ]
    return list(dict.fromkeys(said))


def _is(component: Component, option: Option, value: Any) -> str:
    return f"{component.kind} '{component.name}': option '{option.name}' is {value!r:.80}"


def _unknown(component: Component, paths: Sequence[str], name: str) -> OptionError:
    if component.presets:
        paths = [PRESET, *paths]
    hint = did_you_mean(name, paths) or did_you_mean(name, {path.rpartition(".")[2]: None for path in paths})
    return OptionError(
        f"{component.kind} '{component.name}' has no option '{name}'{hint or ';'} "
        f"options: {', '.join(options_of(component)) or 'none'}"
    )


def _nested_names(
    registry: Registry,
    component: Component,
    given: Mapping[str, Any],
    defaults: Mapping[str, Any] | None,
) -> list[str]:
    """Return the dotted names of the options of nested components; none if a given value does not fit."""
    options = options_of(component)
    known = {each: value for each, value in given.items() if each in options}
    try:
        return list(_paths(_plain(component, check(registry, component, known, defaults))))
    except FlowzooError:
        return []


def _paths(resolved: Mapping[str, Any]) -> Iterator[str]:
    """Yield the dotted names of the options of nested components."""
    for name, value in resolved.items():
        if isinstance(value, dict) and "name" in value:
            inner = {key: each for key, each in value.items() if key != "name"}
            yield from (f"{name}.{key}" for key in (*inner, *_paths(inner)))
