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
"""Differences in settings that are listed for a row; ``--json`` lists all."""

_STYLES = {"better": "green", "worse": "red", "changed": "yellow", "not comparable": "yellow"}


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="Folder or file of results.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Folder or file of results to compare with A.")],
    as_json: JsonOption = False,
) -> None:
    """Compare the results in B with those in A, row by row.

    To compare single trainings, use flowzoo compare with their run folders.
    """
    from flowzoo.bench.compare import PAIRED, VERDICTS, compare
    from flowzoo.bench.report.summary import skipped_lines
    from flowzoo.bench.store import read_results

    ours, theirs = read_results(first), read_results(second)
    found = compare(ours, theirs)
    skipped = {name: list(skipped_lines(each.skipped)) for name, each in (("A", ours), ("B", theirs))}
    if as_json:
        print_json({**asdict(found), "uncertainty": PAIRED, "skipped": skipped})
        return
    out = console()
    _print_warnings(out, found)
    for pair in found.pairs:
        _print_pair(out, pair)
    _print_rest(out, found)
    for name, lines in skipped.items():
        for line in lines:
            out.print(f"skipped in {name}: {line}", style="yellow")
    if not found.pairs:
        out.print("No row is in both: suite, data revision, label and seed must be the same.")
        return
    verdicts = {change.verdict for pair in found.pairs for change in pair.changes}
    out.print("B - A is the change from A to B; * more than twice its uncertainty.", style="dim")
    for verdict, meaning in VERDICTS.items():
        if verdict in verdicts:
            out.print(f"{verdict}: {meaning}", style="dim")
    out.print(PAIRED, style="dim")


def _print_warnings(out: Console, found: Comparison) -> None:
    from flowzoo.bench.report.wording import clean

    warnings = (
        ("The images have changed, so these data sets are not compared", found.data),
        ("A and B ran on different machines, so speeds and times are not compared", found.machines),
        ("A and B ran with different versions, which may explain differences", found.versions),
    )
    for heading, lines in warnings:
        if lines:
            out.print(f"{heading}: {clean('; '.join(lines), 400)}", style="yellow")
    if any(lines for _, lines in warnings):
        out.print()


def _print_pair(out: Console, pair: Pair) -> None:
    from flowzoo.bench.report.wording import clean

    out.print(clean(f"{pair.suite} · {pair.data} · {pair.label} · seed {pair.seed}"), style="bold")
    if "failed" in pair.statuses:
        first, second = pair.statuses
        out.print(f"A {first}, B {second}", style="red")
    if pair.changes:
        listing = table("metric", "unit", "A", "B", "B - A", "verdict")
        for column in listing.columns[2:5]:
            column.justify, column.no_wrap = "right", True
        for change in pair.changes:
            listing.add_row(*_cells(change), style=_STYLES.get(change.verdict))
        out.print(listing)
    for change in pair.changes:
        if change.remark:
            out.print(f"  {clean(change.metric, 30)}: {clean(change.remark)}", style="yellow")
    for line in pair.differences[:SHOWN]:
        out.print(f"  {clean(line, 150)}", style="dim")
    if len(pair.differences) > SHOWN:
        out.print(f"  and {len(pair.differences) - SHOWN} more differences (--json lists all)", style="dim")
    out.print()


def _cells(change: Change) -> tuple[str, ...]:
    from flowzoo.bench.report.wording import BITS, bits, clean, compact

    write = bits if change.unit == BITS else compact
    first, second = ("-" if each is None else write(each) for each in (change.first, change.second))
    difference = ""
    if change.difference is not None:
        sign = "+" if change.difference >= 0 else ""
        spread = "" if change.uncertainty is None else f" ± {write(change.uncertainty)}"
        spread += " paired" if change.paired else ""
        difference = f"{sign}{write(change.difference)}{spread}"
    verdict = f"* {change.verdict}" if change.marked else change.verdict
    return clean(change.metric, 30), clean(change.unit, 20), first, second, difference, verdict


def _print_rest(out: Console, found: Comparison) -> None:
    from flowzoo.bench.report.wording import clean

    for name, rows in (("A", found.only_first), ("B", found.only_second)):
        if rows:
            out.print(f"only in {name}", style="bold")
            for row in rows:
                out.print(f"  {clean(row)}")
            out.print()
