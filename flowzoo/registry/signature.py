"""Reads a component's options from the signature of the callable that builds it, or from a dataclass."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

from pydantic import ConfigDict, TypeAdapter

from flowzoo.component import Added, Component, Spec
from flowzoo.errors import PluginError, did_you_mean
from flowzoo.global_settings import torch_settings_kept
from flowzoo.registry.every_model import OF_EVERY_MODEL, EveryModel
from flowzoo.registry.plugin import one_line
from flowzoo.registry.suite_files import is_suite_file, suite_file

_RESERVED = {"model": {"image_shape", "bins", "pixels", "seed", *OF_EVERY_MODEL}}
"""Names that flowzoo uses itself; ``name`` is used in the forms of a Spec for every kind."""


@dataclass(frozen=True)
class Option:
    """An option of a component.

    Attributes:
        name: Its name.
        adapter: Checks a value against the option's annotation.
        default: The default; it has no meaning if ``required``.
        required: Whether there is no default.
        description: What the option does, from the annotation.
        added: The annotation's mark of an option that was added later, if it has one.
    """

    name: str
    adapter: TypeAdapter[Any]
    default: Any
    required: bool
    description: str
    added: Added | None = None

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of the allowed values; a component's kind is used as a type."""
        return _schema(self.adapter)


def options_of(component: Component) -> Mapping[str, Option]:
    """Return a component's options by name, in the order in which its builder declares them.

    Those of every model follow after a model's own.

    Raises:
        PluginError: The builder cannot be imported, or an option's name or annotation cannot be used.
    """
    build = import_builder(component)
    try:
        options = _with_defaults(_read(build), component.defaults)
    except RecursionError:
        raise  # resolving nested components gives a better message
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"the options of {component.kind} '{component.name}' cannot be read from '{component.build}': "
            f"{one_line(error)}"
        ) from error
    taken = sorted((_RESERVED.get(component.kind, set()) | {"name"}) & set(options))
    if taken:
        raise PluginError(
            f"{component.kind} '{component.name}' declares an option called '{taken[0]}', which flowzoo uses "
            "itself; its plugin must give the option another name"
        )
    return {**options, **_read(EveryModel)} if component.kind == "model" else options


def call_builder(component: Component, by_position: tuple[Any, ...], values: Mapping[str, Any]) -> Any:
    """Call a component's builder and return its result.

    Args:
        component: The component.
        by_position: Positional arguments of builders of its kind.
        values: The component's options, checked.
    """
    build = import_builder(component)
    record = _record(build)
    if component.kind == "model":
        values = {name: value for name, value in values.items() if name not in OF_EVERY_MODEL}
    return build(*by_position, **values) if record is None else build(*by_position, options=record(**values))


def import_builder(component: Component) -> Callable[..., Any]:
    """Import the callable that builds a component.

    Raises:
        PluginError: It cannot be imported.
    """
    if is_suite_file(component.build):
        return suite_file(component.build)
    module, _, attribute = component.build.partition(":")
    try:
        with torch_settings_kept():
            build = getattr(importlib.import_module(module), attribute)
    except RecursionError:
        raise  # as above
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{component.kind} '{component.name}' cannot be imported from '{component.build}': "
            f"{one_line(error)}"
        ) from error
    if not callable(build):
        raise PluginError(f"'{component.build}' of {component.kind} '{component.name}' cannot be called")
    return cast(Callable[..., Any], build)


@functools.cache
def _read(build: Callable[..., Any]) -> Mapping[str, Option]:
    source = _record(build) or build
    parameters = inspect.signature(source).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        raise TypeError("it takes **keywords; name every option, so that it can be checked")
    keywords = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
    bare = [each.name for each in keywords if each.annotation is each.empty]
    if bare:
        raise TypeError(f"option '{bare[0]}' has no annotation")
    hints = _hints(source, keywords)
    made = _made_by_factories(source)
    return {
        each.name: Option(
            name=each.name,
            adapter=_adapter(hints[each.name]),
            default=made.get(each.name, each.default),
            required=each.default is each.empty,
            description=_description(hints[each.name]),
            added=_added(hints[each.name]),
        )
        for each in keywords
    }


def _made_by_factories(source: Any) -> dict[str, Any]:
    """Return the defaults of a dataclass that its signature does not show."""
    if not is_dataclass(source):
        return {}
    return {
        each.name: each.default_factory() for each in fields(source) if each.default_factory is not MISSING
    }


@functools.cache
def _record(build: Callable[..., Any]) -> type | None:
    """Return the dataclass of a builder's options, if its only option is ``options``."""
    parameter = inspect.signature(build).parameters.get("options")
    if parameter is None or parameter.kind is not parameter.KEYWORD_ONLY:
        return None
    hint = _hints(build, [parameter])["options"]
    return hint if isinstance(hint, type) and is_dataclass(hint) and hint is not Spec else None


def _with_defaults(options: Mapping[str, Option], defaults: Mapping[str, Any] | None) -> Mapping[str, Option]:
    """Return the options of a builder that a component has, with the component's own defaults."""
    if defaults is None:
        return options
    for name in defaults:
        if name not in options:
            raise TypeError(
                f"it has no option '{name}', for which the component's defaults hold a value"
                f"{did_you_mean(name, options) or ';'} options: {', '.join(options)}"
            )
    return {
        name: replace(option, default=defaults[name], required=False)
        for name, option in options.items()
        if name in defaults
    }


@functools.cache
def _schema(adapter: TypeAdapter[Any]) -> Mapping[str, Any]:
    return adapter.json_schema()


def _adapter(hint: Any) -> TypeAdapter[Any]:
    kind = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
    # pydantic takes no configuration for a dataclass, and a Spec is one; NaN does not occur there.
    return TypeAdapter(hint, config=None if is_dataclass(kind) else ConfigDict(allow_inf_nan=False))


def _description(hint: Any) -> str:
    found = (getattr(each, "description", None) for each in getattr(hint, "__metadata__", ()))
    return next((text for text in found if text), "")


def _added(hint: Any) -> Added | None:
    return next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Added)), None)


def _hints(build: Any, parameters: list[inspect.Parameter]) -> dict[str, Any]:
    """Return the annotations of these parameters only; others may use names that are missing at run time."""
    names = {each.name for each in parameters}
    if is_dataclass(build):
        # A field's annotation is written in the module of the class that declares it.
        found: dict[str, Any] = {}
        for each in reversed(cast(type, build).__mro__):
            written = inspect.get_annotations(each)
            own = {name: hint for name, hint in written.items() if name in names}
            found |= _resolved(own, vars(sys.modules[each.__module__]))
        return found
    if not parameters:
        return {}  # a class without options may have no __init__ of its own
    function = inspect.unwrap(vars(build)["__init__"] if isinstance(build, type) else build)
    return _resolved({each.name: each.annotation for each in parameters}, function.__globals__)


def _resolved(written: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    holder = SimpleNamespace(__annotations__=written)
    return typing.get_type_hints(holder, globalns=names, include_extras=True)
