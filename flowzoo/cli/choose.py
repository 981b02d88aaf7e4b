"""Finds the one component that a name on the command line means, and describes the arguments for it."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from flowzoo.cli.completion import kinds, names_of
from flowzoo.component import KINDS, Component, Kind
from flowzoo.errors import OptionError
from flowzoo.registry.lookup import Registry

NameArgument = Annotated[
    str,
    typer.Argument(help="The component's name, as flowzoo list shows it.", autocompletion=names_of(*KINDS)),
]
KindOption = Annotated[
    str | None,
    typer.Option(
        "--kind", help=f"Only this kind: {', '.join(KINDS[:-1])} or {KINDS[-1]}.", autocompletion=kinds
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def choose(registry: Registry, name: str, kind: str | None) -> Component:
    """Return the component of this name; of several kinds the model, if there is one.

    Raises:
        UnknownNameError: There is no such component, or no such kind.
        OptionError: There are several, none of them a model, and no kind is given.
        PluginError: Several plugins bring it.
    """
    if kind is not None:
        return registry.find(cast(Kind, kind), name)
    kinds = registry.kinds_of(name)
    if not kinds:
        raise registry.unknown(None, name)
    if len(kinds) > 1 and "model" not in kinds:
        raise OptionError(
            f"'{name}' is the name of a {' and of a '.join(kinds)}. "
            f"Choose one with --kind, for example --kind {kinds[0]}"
        )
    return registry.find("model" if "model" in kinds else kinds[0], name)
