"""A report as Markdown, with tables as GitHub reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowzoo.bench.report.aggregate import aggregates
from flowzoo.bench.report.blocks import Block, all_costs, blocks, legend
from flowzoo.bench.report.leaderboard import Report
from flowzoo.bench.report.summary import counts, skipped_lines


def markdown(report: Report) -> str:
    """Return the report as one page."""
    return "\n".join(_lines(report)) + "\n"


def escape(text: str) -> str:
    r"""Return text that Markdown shows as it stands, in a cell of a table too.

    >>> escape("a|b*<i>")
    'a\\|b\\*&lt;i&gt;'
    """
    return text.translate(_ESCAPES)


def _lines(report: Report) -> Iterator[str]:
    yield "# flowzoo benchmark report\n"
    for board in report.boards:
        yield f"## {escape(board.title)}\n"
        costs = all_costs(board)
        for block in blocks(board, costs, errors=True):
            yield from table_lines(block)
        yield from (f"{escape(line)}.\n" for line in legend(board, costs, errors=True))
        yield from (f"Note: {escape(note)}.\n" for note in board.notes)
    for block in aggregates(report):
        yield from table_lines(block)
    yield f"{counts(report)}\n"
    yield from (f"* skipped {escape(line)}" for line in skipped_lines(report.skipped))


def table_lines(block: Block) -> Iterator[str]:
    """Yield the lines of one table, its title first."""
    if block.title:
        yield f"### {escape(block.title)}\n"
    units = ((each, f"[{each.unit}]" if each.unit else "") for each in block.columns)
    yield _line(escape(" ".join(filter(None, [each.name, unit, each.arrow]))) for each, unit in units)
    yield _line("---:" if column.numeric else "---" for column in block.columns)
    yield from (_line(map(escape, row)) for row in block.rows)
    yield ""


def _line(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


_ESCAPES = str.maketrans(
    {each: f"\\{each}" for each in "\\`*_[]|#~$"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)
