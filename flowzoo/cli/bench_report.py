"""``flowzoo bench report``: leaderboards of a folder of results, and the files made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowzoo.cli.console import console, table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from flowzoo.bench.report.blocks import Block
    from flowzoo.bench.report.leaderboard import Leaderboard, Report

_COSTS, _NAMES, _ANY = 2, 20, 10_000
"""Metrics that are shown in any case, columns that names have before they wrap, and as many as one likes."""

_WIDE, _STATUS = 100, 12
"""On a terminal narrower than the one, the status is no wider than the other, so that names have room."""


def report(
    results: Annotated[
        Path, typer.Argument(help="Folder of results, one suite's folder in it, or one JSON file.")
    ],
    suite: Annotated[str | None, typer.Option("--suite", help="Report only this suite.")] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write an HTML page to this file. It needs no other files."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Write the tables as Markdown to this file.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write all figures, with all digits, as CSV to this file.")
    ] = None,
    latex: Annotated[
        Path | None, typer.Option("--latex", help="Write the tables as LaTeX (booktabs) to this file.")
    ] = None,
) -> None:
    """Print leaderboards of benchmark results, and write them to files.

    Models are ranked by bits/dim on the same images; the Gaussian is the floor that a model should beat.
    """
    from flowzoo.bench.report.csv_text import csv_text
    from flowzoo.bench.report.latex import latex as latex_text
    from flowzoo.bench.report.leaderboard import make_report
    from flowzoo.bench.report.markdown import markdown as markdown_text
    from flowzoo.bench.report.page import page
    from flowzoo.bench.store import read_results
    from flowzoo.files import write_text

    found = read_results(results)
    made = make_report(found, suite)
    _print(made)
    kinds: list[tuple[Path | None, Callable[[], str]]] = [
        (html, lambda: page(made, found)),
        (markdown, lambda: markdown_text(made)),
        (csv, lambda: csv_text(made)),
        (latex, lambda: latex_text(made)),
    ]
    for path, text in kinds:
        if path is not None:
            write_text(path, text())
            console().print(f"wrote {path}", soft_wrap=True)


def _print(report: Report) -> None:
    from flowzoo.bench.report.aggregate import aggregates
    from flowzoo.bench.report.blocks import all_costs, blocks, legend
    from flowzoo.bench.report.summary import counts, skipped_lines
    from flowzoo.bench.report.wording import counted

    out = console()
    for board in report.boards:
        platform = ", ".join(filter(None, board.platform))
        title = board.title if board.title.endswith(platform) else f"{board.title} · {platform}"
        out.print(title, style="bold")
        out.print()
        costs = _fitting_costs(out, board)
        for block in blocks(board, costs):
            _print_block(out, block)
        for line in legend(board, costs):
            out.print(line, style="dim")
        for note in board.notes:
            out.print(f"note: {note}", style="yellow")
        left = len(all_costs(board)) - len(costs)
        if left:
            out.print(f"{counted(left, 'more metric')} in --html, --csv, --markdown, --latex", style="dim")
        out.print()
    for block in aggregates(report):
        _print_block(out, block)
    out.print(counts(report))
    for line in skipped_lines(report.skipped):
        out.print(f"  skipped {line}", style="yellow")


def _fitting_costs(out: Console, board: Leaderboard) -> tuple[str, ...]:
    """Return as many metrics as there is room for, two at least, the most telling first."""
    from rich.measure import Measurement

    from flowzoo.bench.report.blocks import blocks, telling_costs

    telling = telling_costs(board)
    for count in range(len(telling), _COSTS, -1) if board.ranked else ():
        ranking = next(blocks(board, telling[:count]))
        names = max(len(row[1]) for row in ranking.rows)
        natural = Measurement.get(out, out.options.update(max_width=_ANY), _table(ranking, out.width)).maximum
        if natural - max(0, names - _NAMES) <= out.width:
            return telling[:count]
    return telling[:_COSTS]


def _print_block(out: Console, block: Block) -> None:
    from flowzoo.bench.report.blocks import TITLES
    from flowzoo.bench.report.leaderboard import FAILED

    if block.title:
        out.print(block.title, style="bold red" if block.title == TITLES[FAILED] else "bold")
    out.print(_table(block, out.width))
    out.print()


def _table(block: Block, width: int) -> Table:
    made = table(*(f"{each.name}\n{each.arrow} {each.unit}".rstrip() for each in block.columns))
    for column, heading in zip(made.columns, block.columns, strict=True):
        # Names may be long, and a table must fit: only numbers never wrap.
        column.no_wrap = heading.numeric or heading.name == "rank"
        column.justify = "right" if heading.numeric else "left"
        column.style = "cyan" if heading.name == "model" else ""
        if heading.name == "status" and width < _WIDE:
            column.max_width = _STATUS
    for number, row in enumerate(block.rows):
        made.add_row(*row, style="yellow" if number in block.warned else None)
    return made
