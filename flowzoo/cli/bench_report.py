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
    from flowzoo.bench.report.leaderboard import Report


def report(
    results: Annotated[
        Path, typer.Argument(help="Results folder, one suite's folder in it, or one JSON file.")
    ],
    suite: Annotated[str | None, typer.Option("--suite", help="Report of this suite only.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page, complete in itself.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write Markdown.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write CSV, all figures in full.")] = None,
    latex: Annotated[Path | None, typer.Option("--latex", help="Write LaTeX tables (booktabs).")] = None,
) -> None:
    """Print leaderboards of benchmark results, and write them to files."""
    from flowzoo.bench.report.csv_text import csv_text
    from flowzoo.bench.report.latex import latex as latex_text
    from flowzoo.bench.report.leaderboard import make_report
    from flowzoo.bench.report.markdown import markdown as markdown_text
    from flowzoo.bench.report.page import page
    from flowzoo.bench.store import read_results
    from flowzoo.files import write_atomically

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
            write_atomically(path, text().encode())
            console().print(f"wrote {path}", soft_wrap=True)


def _print(report: Report) -> None:
    from flowzoo.bench.report.blocks import LIKELIHOOD, blocks, few_costs
    from flowzoo.bench.report.summary import counts, skipped_lines

    out = console()
    for board in report.boards:
        place = next((", ".join(row.place) for row in board.rows if row.place != ("", "")), "")
        out.print(
            " · ".join([board.title, place] if place and board.one_place else [board.title]), style="bold"
        )
        out.print()
        for block in blocks(board, few_costs(board)):
            _print_block(out, block)
        if board.ranked:
            out.print(f"bits/dim {LIKELIHOOD}", style="dim")
        for note in board.notes:
            out.print(f"note: {note}", style="yellow")
        out.print()
    out.print(counts(report))
    for line in skipped_lines(report):
        out.print(f"  skipped {line}", style="yellow")


def _print_block(out: Console, block: Block) -> None:
    from flowzoo.bench.report.blocks import FAILED

    if block.title:
        out.print(block.title, style="bold red" if block.title == FAILED else "bold")
    out.print(_table(block, out.width))
    out.print()


def _table(block: Block, width: int) -> Table:
    made = table(*(f"{each.name}\n{each.arrow} {each.unit}".rstrip() for each in block.columns))
    for column, heading in zip(made.columns, block.columns, strict=True):
        # Names may be long, and a table must fit: whatever is no number wraps.
        column.no_wrap = heading.numeric or heading.name == "rank"
        column.overflow = "fold"
        column.style = ""
        if heading.numeric:
            column.justify = "right"
        if heading.name == "model":
            column.style = "cyan"
        if heading.name == "status" and width < _WIDE:
            column.max_width = _STATUS
    for row in block.rows:
        made.add_row(*row, style="yellow" if "below the floor" in row[-1] else None)
    return made


_WIDE, _STATUS = 100, 12
"""On a terminal narrower than the one, the status is no wider than the other, so that names have room."""
