"""``flowzoo list``: what is installed."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, cast

import typer

from flowzoo.cli.choose import JsonOption, KindOption
from flowzoo.cli.console import complain, console, print_json, table
from flowzoo.component import KINDS, Component, Kind
from flowzoo.errors import OptionError
from flowzoo.registry.loader import default_registry
from flowzoo.registry.lookup import Registry
from flowzoo.registry.pretrained import Pretrained, pretrained_models

_WHY = "flowzoo plugins says why"
_WHICH = "flowzoo plugins says which, and their qualified names"

_ORDER: tuple[Kind, ...] = ("model", *(kind for kind in KINDS if kind != "model"))


def list_components(
    pattern: Annotated[
        str,
        typer.Argument(
            help="Names to list, for example 'ms*', or a kind, such as models. The default lists all."
        ),
    ] = "*",
    kind: KindOption = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="List the trained models that plugins bring.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the installed components, models first; with --pretrained, the trained models."""
    registry = default_registry()
    if pretrained:
        if kind is not None:
            raise OptionError("--kind chooses among components, and --pretrained lists none. Leave one out")
        _list_pretrained(registry, pattern, as_json)
        return
    singular = pattern.removesuffix("s")
    if kind is None and singular in KINDS and set(registry.kinds_of(pattern)) <= {"command"}:
        kind, pattern = singular, "*"
    kinds = _ORDER if kind is None else (cast(Kind, kind),)
    found = {each: registry.components(each, pattern) for each in kinds}
    if not any(found.values()) and pattern != "*":
        raise registry.unknown(None if kind is None else kinds[0], pattern)
    if as_json:
        print_json([_as_data(registry, each) for group in found.values() for each in group])
    else:
        _print_groups(registry, found)
    if not any(found.values()):
        complain(f"no {kind} is installed")
    _mention_failures(registry)


def _list_pretrained(registry: Registry, pattern: str, as_json: bool) -> None:
    found = [each for each in pretrained_models() if fnmatchcase(each.name, pattern)]
    if as_json:
        print_json([_figure_of(each) for each in found])
        return
    rows = table("name", "bits/dim", "measured on", "distribution")
    for each in found:
        rows.add_row(each.name, *_in_words(each.figure), f"{each.distribution} {each.version}")
    console().print(rows)
    if not found:
        complain(
            f"no trained model matches '{pattern}'. flowzoo-weights brings some: pip install flowzoo-weights"
        )
    _mention_failures(registry)


def _figure_of(model: Pretrained) -> dict[str, Any]:
    facts = {"name": model.name, "distribution": model.distribution, "version": model.version}
    return {**facts, "folder": str(model.folder), "evaluation": model.figure or None}


def _in_words(figure: Mapping[str, Any]) -> tuple[str, str]:
    """Return a stored figure with its error, and the images that it was measured on."""
    try:
        error = figure["standard_error"]
        bits = f"{figure['bits_per_dim']:.3f}" + ("" if error is None else f" ± {error:.3f}")
        judged = "audited" if figure["valid"] else "not ranked"
        return bits, f"{figure['images']} {figure['split']} images of {figure['data']}, {judged}"
    except (KeyError, TypeError, ValueError):
        return "", "not measured"


def _print_groups(registry: Registry, found: dict[Kind, list[Component]]) -> None:
    rows = table("", "")
    for kind, group in found.items():
        if group:
            if rows.row_count:
                rows.add_row("")
            rows.add_row(f"{kind}s", style="bold")
        for component in group:
            rows.add_row(f"  {registry.address(component)}", component.summary)
    console().print(rows)


def _mention_failures(registry: Registry) -> None:
    amiss = [each.distribution for each in registry.failures]
    if amiss:
        complain(f"failed to load: {', '.join(amiss)}; {_WHY}")
    skipped = [each.distribution for each in registry.plugins if each.skipped]
    if skipped:
        complain(f"left out, because they cannot be used: components of {', '.join(skipped)}; {_WHY}")
    for core, reason in ((False, "several plugins bring them"), (True, "flowzoo has these names itself")):
        clashes = [each for each in registry.clashes if each.core == core]
        names = ", ".join(f"{each.kind} '{each.name}'" for each in clashes)
        if names:
            complain(f"left out, because {reason}: {names}; {_WHICH}")


def _as_data(registry: Registry, component: Component) -> dict[str, Any]:
    plugin = registry.plugin_of(component)
    return {
        "kind": component.kind,
        "name": registry.address(component),
        "summary": component.summary,
        "reference": component.reference,
        "revision": component.revision,
        "exact": component.exact,
        "distribution": plugin.distribution,
        "version": plugin.version,
    }
