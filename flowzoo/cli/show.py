"""``flowzoo show``: all about one component."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from flowzoo.cli.choose import JsonOption, KindOption, NameArgument, choose
from flowzoo.cli.console import console, print_json, table
from flowzoo.cli.settings import IN_TRAINING, read_settings
from flowzoo.component import Component
from flowzoo.errors import OptionError
from flowzoo.registry.distribution_facts import home_page, licence
from flowzoo.registry.loader import default_registry
from flowzoo.registry.plugin import Plugin

if TYPE_CHECKING:
    from flowzoo.registry.describe import OptionInfo

ShapeOption = Annotated[
    str | None,
    typer.Option(
        "--image-shape",
        help="Build the model for images of this shape, CHANNELSxHEIGHTxWIDTH, and show its levels. "
        "For example 3x32x32.",
    ),
]


SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Option of that model, for example levels=4. Can be repeated.",
        show_default=False,
    ),
]


def show(
    name: NameArgument,
    kind: KindOption = None,
    as_json: JsonOption = False,
    image_shape: ShapeOption = None,
    assignments: SetOption = None,
) -> None:
    """Show a component's summary, paper, published figures, options and presets."""
    from flowzoo.registry.describe import describe, describe_presets

    registry = default_registry()
    component = choose(registry, name, kind)
    plugin = registry.plugin_of(component)
    options = describe(registry, component)
    if assignments and image_shape is None:
        raise OptionError("--set changes the model that --image-shape builds. Give --image-shape too")
    name = registry.address(component)
    levels = None if image_shape is None else _levels(component, name, image_shape, assignments or [])
    if as_json:
        data = {
            **_facts(component, name, plugin),
            "presets": describe_presets(registry, component),
            "published": [asdict(each) for each in component.published],
            "options": [asdict(each) for each in options],
        }
        print_json(data if levels is None else {**data, "levels": levels})
        return
    _print_facts(component, name, plugin)
    _print_published(component)
    _print_options(component, options)
    _print_presets(describe_presets(registry, component))
    if levels is not None:
        _print_levels(levels)


_REFUSED = dict.fromkeys(
    (*IN_TRAINING, "training", "data", "pixels"),
    "flowzoo show sets the options of the model only, which it lists without --set",
)
"""What ``flowzoo train`` takes and is no option of a model."""


def _levels(
    component: Component, name: str, image_shape: str, assignments: list[str]
) -> list[dict[str, Any]]:
    """Build a model and return shapes and parameters of its levels, finest first."""
    from flowzoo.registry.models import assemble

    if component.kind != "model":
        raise OptionError(f"--image-shape is for models, and '{component.name}' is a {component.kind}")
    options = read_settings(None, assignments, _REFUSED).options
    asked = _parse_shape(image_shape)
    flow = assemble(default_registry(), name, asked, 256, "affine", 0, options)
    levels = []
    shape = flow.image_shape
    for place, latent in enumerate(flow.latent_shapes):
        level = flow.level(place)
        kept, _ = level.shapes(shape)
        parameters = sum(each.numel() for each in level.parameters())
        levels.append({"image": shape, "kept": kept, "latent": latent, "parameters": parameters})
        shape = kept or shape
    return levels


def _parse_shape(text: str) -> tuple[int, ...]:
    sizes = text.lower().split("x")
    if len(sizes) != 3 or not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise OptionError(f"image shape '{text}' is not valid. Give CHANNELSxHEIGHTxWIDTH, for example 1x8x8")
    return tuple(int(size) for size in sizes)


def _facts(component: Component, name: str, plugin: Plugin) -> dict[str, Any]:
    return {
        "kind": component.kind,
        "name": name,
        "summary": component.summary,
        "reference": component.reference,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "home_page": home_page(plugin.distribution),
        "licence": licence(plugin.distribution),
        "revision": component.revision,
        "exact": component.exact,
    }


def _print_facts(component: Component, name: str, plugin: Plugin) -> None:
    console().print(Text.assemble((name, "bold cyan"), f" ({component.kind})"))
    console().print(component.summary)
    rows = table("", "")
    if component.reference:
        rows.add_row("paper", component.reference)
    rows.add_row("from", f"{plugin.distribution} {plugin.version}")
    for label, stated in (("home page", home_page), ("licence", licence)):
        if text := stated(plugin.distribution):
            rows.add_row(label, text)
    if component.kind in _DENSITIES:
        reason = next((each.reason for each in component.checks if each.reason), "a bound")
        rows.add_row("exact", "yes" if component.exact else f"no: {reason}")
    if component.example:
        rows.add_row("example", component.example)
    console().print()
    console().print(rows)


_DENSITIES = ("transform", "bijector", "split", "model")
"""Kinds of which it makes sense to say whether log-determinants are exact."""


def _print_published(component: Component) -> None:
    if not component.published:
        return
    rows = table("published", "bits/dim", "variant", "source")
    for each in component.published:
        remark = f" ({each.remark})" if each.remark else ""
        rows.add_row(each.data, _digits(each.bits_per_dim), each.variant, Text(each.source + remark))
    rows.columns[1].justify = "right"
    console().print()
    console().print(rows)


def _print_presets(presets: dict[str, dict[str, Any]]) -> None:
    if not presets:
        return
    rows = table("preset", "option", "value")
    for name, options in presets.items():
        shown = name
        for option, value in options.items():
            rows.add_row(shown, option, Text(_short(value)))
            shown = ""
    console().print()
    console().print(rows)


def _digits(bits: float) -> str:
    """Return a figure with two decimals, or more where it has more."""
    return max(f"{bits:.2f}", f"{bits:g}", key=len)


def _print_options(component: Component, options: tuple[OptionInfo, ...]) -> None:
    console().print()
    if not options:
        console().print("It has no options." if component.kind != "command" else "Its options: see --help.")
        return
    rows = table("option", "default", "meaning (allowed)")
    for each in options:
        default = "required" if each.required else _short(each.default)
        rows.add_row(
            each.name,
            default,
            Text.assemble(each.description, " " if each.description else "", (f"({each.allowed})", "dim")),
        )
    console().print(rows)


def _short(value: Any) -> str:
    """Return a default as one would type it: text without quotes, a nested component by its name."""
    if isinstance(value, list):
        return f"[{', '.join(_short(each) for each in value)}]"
    if isinstance(value, dict) and "name" in value:
        return str(value["name"])
    return value if isinstance(value, str) else json.dumps(value)


def _print_levels(levels: list[dict[str, Any]]) -> None:
    rows = table("level", "image", "kept", "latent", "parameters")
    for place, level in enumerate(levels):
        shapes = (_times(level[key]) for key in ("image", "kept", "latent"))
        rows.add_row(str(place), *shapes, f"{level['parameters']:,}")
    rows.add_row("all", "", "", "", f"{sum(level['parameters'] for level in levels):,}")
    rows.columns[-1].justify = "right"
    console().print()
    console().print(rows)


def _times(shape: tuple[int, ...] | None) -> str:
    return "nothing" if shape is None else "x".join(map(str, shape))
