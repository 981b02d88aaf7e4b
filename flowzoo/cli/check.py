"""``flowzoo check``: runs the conformance kit over one component."""

from __future__ import annotations

import typer

from flowzoo.cli.choose import KindOption, NameArgument, choose
from flowzoo.cli.console import console, table
from flowzoo.registry.loader import default_registry


def check(name: NameArgument, kind: KindOption = None) -> None:
    """Check that a component keeps its interface's promises; a line per check, exit code 1 if one fails."""
    from flowzoo.testing import check_component

    registry = default_registry()
    component = choose(registry, name, kind)
    results = check_component(component.kind, registry.address(component))
    rows = table("", "", "")
    for each in results:
        rows.add_row(
            "ok" if each.passed else "FAILED", each.name, each.detail, style="" if each.passed else "red"
        )
    console().print(rows)
    failed = sum(not each.passed for each in results)
    console().print(f"{component.kind} '{name}': {len(results) - failed} of {len(results)} checks passed")
    if failed:
        raise typer.Exit(1)
