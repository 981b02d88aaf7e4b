"""``flowzoo bench compare``: two sets of results, and whether they differ by more than their uncertainty."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowzoo.cli.choose import JsonOption
from flowzoo.cli.console import console, print_json, table

if TYPE_CHECKING:
    from rich.console import Console

    from flowzoo.bench.compare import Change, Comparison, Pair

SHOWN = 6
"""Differences in settings that are told of a row; ``--json`` tells all."""

_STYLES = {"better": "green", "worse": "red", "changed": "yellow", "not comparable": "yellow"}


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="Results folder or file.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Results folder or file to compare with it.")],
    as_json: JsonOption = False,
) -> None:
    """Compare the results of B with those of A, row by row."""
    from flowzoo.bench.compare import PAIRED, compare
    from flowzoo.bench.report.summary import skipped_lines
    from flowzoo.bench.store import read_results

    ours, theirs = read_results(first), read_results(second)
    found = compare(ours, theirs)
    if as_json:
        plain = asdict(found)
        skipped = {name: list(skipped_lines(each.skipped)) for name, each in (("A", ours), ("B", theirs))}
        print_json({**plain, "uncertainty": PAIRED, "skipped": skipped})
        return
    out = console()
    _print_surroundings(out, found)
    for pair in found.pairs:
        _print_pair(out, pair)
    _print_rest(out, found)
    for name, each in (("A", ours), ("B", theirs)):
        for line in skipped_lines(each.skipped):
            out.print(f"skipped in {name}: {line}", style="yellow")
    if found.pairs:
        out.print("* more than twice the uncertainty. " + PAIRED, style="dim")
    else:
        out.print("no row is in both; rows are compared of the same suite, data revision, label and seed")


def _print_surroundings(out: Console, found: Comparison) -> None:
    from flowzoo.bench.report.wording import clean

    told = (
        ("A and B ran on different machines, so speeds and times do not compare", found.machines),
        ("A and B ran with different versions, which speeds and figures may come from", found.versions),
    )
    for heading, lines in told:
        if lines:
            out.print(f"{heading}: {clean('; '.join(lines), 400)}", style="yellow")
    if found.machines or found.versions:
        out.print()


def _print_pair(out: Console, pair: Pair) -> None:
    from flowzoo.bench.report.wording import clean

    out.print(clean(f"{pair.suite} · {pair.data} · {pair.label} · seed {pair.seed}"), style="bold")
    if "failed" in pair.statuses:
        first, second = pair.statuses
        out.print(f"A {first}, B {second}", style="red")
    if pair.changes:
        listing = table("metric", "A", "B", "B - A", "")
        for column in listing.columns[1:4]:
            column.justify, column.no_wrap = "right", True
        for change in pair.changes:
            listing.add_row(*_cells(change), style=_STYLES.get(change.verdict))
        out.print(listing)
    for line in pair.differences[:SHOWN]:
        out.print(f"  {clean(line, 150)}", style="dim")
    if len(pair.differences) > SHOWN:
        out.print(f"  and {len(pair.differences) - SHOWN} more differences (--json tells all)", style="dim")
    out.print()


def _cells(change: Change) -> tuple[str, ...]:
    from flowzoo.bench.report.wording import BITS, bits, clean, compact

    write = bits if change.unit == BITS else compact
    first, second = ("-" if each is None else write(each) for each in (change.first, change.second))
    difference = ""
    if change.difference is not None:
        sign = "+" if change.difference >= 0 else ""
        spread = "" if change.uncertainty is None else f" ± {write(change.uncertainty)}"
        difference = f"{sign}{write(change.difference)}{spread}"
    mark = "* " if change.marked else ""
    unit = f" [{clean(change.unit, 20)}]" if change.unit else ""
    return (
        clean(change.metric, 30) + unit,
        first,
        second,
        difference,
        mark + clean(change.remark or change.verdict),
    )


def _print_rest(out: Console, found: Comparison) -> None:
    from flowzoo.bench.report.wording import clean

    for name, rows in (("A", found.only_first), ("B", found.only_second)):
        if rows:
            out.print(f"only in {name}", style="bold")
            for row in rows:
                out.print(f"  {clean(row)}")
            out.print()
