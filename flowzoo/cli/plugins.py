"""``flowzoo plugins``: the plugins that were loaded, and those that failed, with the reason."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any

import typer

from flowzoo.cli.choose import JsonOption
from flowzoo.cli.console import console, print_json, table
from flowzoo.registry.directory import Listed, read_directory
from flowzoo.registry.distribution_facts import missing_requirements
from flowzoo.registry.loader import default_registry, load_registry
from flowzoo.registry.lookup import Registry
from flowzoo.registry.plugin import Plugin, PluginFailure

StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Exit with status 2 if a plugin failed to load, or if some of its components cannot be used.",
    ),
]


AvailableOption = Annotated[
    bool, typer.Option("--available", help="List the plugins that flowzoo install can install.")
]


def plugins(
    as_json: JsonOption = False, strict: StrictOption = False, available: AvailableOption = False
) -> None:
    """List the installed plugins, and show which failed to load, are slow to load or lack a dependency."""
    if available:
        listed = [_listed(each) for each in read_directory()]
        print_json(listed) if as_json else _print_available(listed)
        return
    registry = load_registry(strict=True) if strict else default_registry()
    rows = [_loaded(registry, each) for each in registry.plugins] + [
        _failed(each) for each in registry.failures
    ]
    print_json(rows) if as_json else _print(rows)


def _loaded(registry: Registry, plugin: Plugin) -> dict[str, Any]:
    clashes = [str(each) for each in registry.clashes if plugin.distribution in each.distributions]
    skipped = [f"left out: {each}" for each in plugin.skipped]
    slow = ["imports torch while its components are listed"] if plugin.imported_torch else []
    found = {"missing": _missing(plugin.distribution), "incomplete": skipped, "clash": clashes, "slow": slow}
    return {
        "plugin": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "components": dict(Counter(component.kind for component in plugin.components)),
        "milliseconds": round(1000 * plugin.seconds, 1),
        "status": next((word for word, why in found.items() if why), "ok"),
        "reasons": [reason for reasons in found.values() for reason in reasons],
    }


def _failed(failure: PluginFailure) -> dict[str, Any]:
    return {
        "plugin": failure.name,
        "distribution": failure.distribution,
        "version": failure.version,
        "components": {},
        "milliseconds": None,
        "status": "failed",
        "reasons": [failure.reason, *_missing(failure.distribution)],
    }


def _missing(distribution: str) -> list[str]:
    """Return what a plugin needs and is not installed, with what to type."""
    needs = missing_requirements(distribution)
    if not needs:
        return []
    return [f"needs what is not installed. Run: pip install {' '.join(map(shlex.quote, needs))}"]


def _listed(listed: Listed) -> dict[str, Any]:
    return {**asdict(listed), "installed": default_registry().installed(listed.name) is not None}


def _print_available(rows: list[dict[str, Any]]) -> None:
    listing = table("plugin", "components", "summary", "install")
    for row in rows:
        how = "installed" if row["installed"] else f"flowzoo install {row['name'].removeprefix('flowzoo-')}"
        listing.add_row(row["name"], ", ".join(row["kinds"]), row["summary"], how)
    console().print(listing)


def _print(rows: list[dict[str, Any]]) -> None:
    listing = table("plugin", "version", "components", "load", "status")
    reasons = table("", "")
    for row in rows:
        name = _label(row)
        count = sum(row["components"].values())
        time = "" if row["milliseconds"] is None else f"{row['milliseconds']:.0f} ms"
        listing.add_row(
            name, row["version"], str(count), time, row["status"], style=_STYLES.get(row["status"])
        )
        for reason in row["reasons"]:
            reasons.add_row(name, f"{row['status']}: {reason}")
    listing.columns[2].justify = listing.columns[3].justify = "right"
    console().print(listing)
    if reasons.row_count:
        console().print()
        console().print(reasons)


_STYLES = {"failed": "red", "missing": "red", "incomplete": "red", "clash": "red", "slow": "yellow"}


def _label(row: dict[str, Any]) -> str:
    return "builtin" if row["plugin"] == "builtin" else str(row["distribution"])
