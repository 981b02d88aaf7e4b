"""Reads a component's options from the signature of the callable that builds it."""

from __future__ import annotations

import functools
import importlib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from types import SimpleNamespace
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from flowzoo.component import Component
from flowzoo.errors import PluginError
from flowzoo.registry.plugin import one_line

_RESERVED = {"model": {"name", "image_shape", "bins", "pixels", "seed"}}
"""Names that ``create_model`` takes itself; ``name`` is taken for every kind, by the forms of a Spec."""


@dataclass(frozen=True)
class Option:
    """An option of a component: a keyword-only parameter of its builder.

    Attributes:
        name: The parameter's name.
        adapter: Checks a value against the parameter's annotation.
        default: The parameter's default; meaningless where ``required``.
        required: Whether there is no default.
        description: What it does, as the annotation says.
    """

    name: str
    adapter: TypeAdapter[Any]
    default: Any
    required: bool
    description: str

    @functools.cached_property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of the values allowed; a component's kind stands as a type."""
        return self.adapter.json_schema()


def options_of(component: Component) -> Mapping[str, Option]:
    """Return a component's options by name, in the order of the signature.

    Raises:
        PluginError: The builder cannot be imported, or an option's name or annotation cannot be used.
    """
    build = import_builder(component)
    try:
        options = _read(build)
    except RecursionError:
        raise  # whoever resolves nested components says which does not end
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
    return options


def import_builder(component: Component) -> Callable[..., Any]:
    """Import the callable that builds a component.

    Raises:
        PluginError: It cannot be imported.
    """
    module, _, attribute = component.build.partition(":")
    try:
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
    return typing.cast(Callable[..., Any], build)


@functools.cache
def _read(build: Callable[..., Any]) -> Mapping[str, Option]:
    parameters = inspect.signature(build).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        raise TypeError("it takes **keywords; name every option, so that it can be checked")
    keywords = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
    bare = [each.name for each in keywords if each.annotation is each.empty]
    if bare:
        raise TypeError(f"option '{bare[0]}' has no annotation")
    hints = _hints(build, keywords)
    return {
        each.name: Option(
            name=each.name,
            adapter=_adapter(hints[each.name]),
            default=each.default,
            required=each.default is each.empty,
            description=_description(hints[each.name]),
        )
        for each in keywords
    }


def _adapter(hint: Any) -> TypeAdapter[Any]:
    kind = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
    # pydantic takes no configuration for a dataclass, and a Spec is one; NaN does not occur there.
    return TypeAdapter(hint, config=None if is_dataclass(kind) else ConfigDict(allow_inf_nan=False))


def _description(hint: Any) -> str:
    found = (getattr(each, "description", None) for each in getattr(hint, "__metadata__", ()))
    return next((text for text in found if text), "")


def _hints(build: Callable[..., Any], parameters: list[inspect.Parameter]) -> dict[str, Any]:
    """Return the annotations of these parameters only: the others may name what is not there at run time."""
    if not parameters:
        return {}  # a class without options may have no __init__ of its own
    function = inspect.unwrap(vars(build)["__init__"] if isinstance(build, type) else build)
    written = SimpleNamespace(__annotations__={each.name: each.annotation for each in parameters})
    return typing.get_type_hints(written, globalns=function.__globals__, include_extras=True)
