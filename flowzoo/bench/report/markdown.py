"""A report as Markdown, with tables as GitHub reads them."""

from __future__ import annotations

from collections.abc import Iterator

from flowzoo.bench.report.blocks import Block, Column, all_costs, blocks, legend
from flowzoo.bench.report.leaderboard import Report
from flowzoo.bench.report.summary import counts, skipped_lines


def markdown(report: Report) -> str:
    """Return the report as one page."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield from ("# flowzoo benchmark report", "")
    for board in report.boards:
        yield from (f"## {escape(board.title)}", "")
        costs = all_costs(board)
        for block in blocks(board, costs, errors=True):
            yield from _table(block)
        for line in legend(board, costs, errors=True):
            yield from (f"{escape(line)}.", "")
        for note in board.notes:
            yield from (f"Note: {escape(note)}.", "")
    yield from (counts(report), "")
    yield from (f"* skipped {escape(line)}" for line in skipped_lines(report.skipped))


def escape(text: str) -> str:
    r"""Return text that Markdown shows as it stands, in a cell of a table too.

    >>> escape("a|b*<i>")
    'a\\|b\\*&lt;i&gt;'
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{each}" if each in _SPECIAL else each for each in text)


def _table(block: Block) -> Iterator[str]:
    if block.title:
        yield from (f"### {escape(block.title)}", "")
    yield _line([_heading(column) for column in block.columns])
    yield _line(["---:" if column.numeric else "---" for column in block.columns])
    for row in block.rows:
        yield _line([escape(text) for text in row])
    yield ""


def _heading(column: Column) -> str:
    unit = f"[{column.unit}]" if column.unit else ""
    return escape(" ".join(filter(None, [column.name, unit, column.arrow])))


def _line(texts: list[str]) -> str:
    return f"| {' | '.join(texts)} |"


_SPECIAL = "\\`*_[]|#~$"
