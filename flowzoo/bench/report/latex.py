"""A report as LaTeX tables, one for each leaderboard."""

from __future__ import annotations

from collections.abc import Iterator

from flowzoo.bench.report.blocks import Block, Column, all_costs, blocks, legend
from flowzoo.bench.report.leaderboard import Leaderboard, Report
from flowzoo.bench.report.summary import counts


def latex(report: Report) -> str:
    r"""Return tables to ``\input``; they need the package ``booktabs``."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield "% made by flowzoo bench report; needs \\usepackage{booktabs}"
    yield f"% {counts(report)}"
    for board in report.boards:
        yield from _float(board)


def escape(text: str) -> str:
    r"""Return text that LaTeX prints as it stands.

    >>> escape("50% of a_b")
    '50\\% of a\\_b'
    """
    return "".join(_ESCAPES.get(each, each) for each in text)


def _float(board: Leaderboard) -> Iterator[str]:
    yield from ("\\begin{table}", "\\centering")
    costs = all_costs(board)
    caption = ". ".join([board.title, *legend(board, costs, errors=True), *board.notes])
    yield f"\\caption{{{escape(caption)}.}}"
    for block in blocks(board, costs, errors=True):
        yield from _tabular(block)
    yield "\\end{table}"


def _tabular(block: Block) -> Iterator[str]:
    if block.title:
        yield from ("", "\\medskip", f"{escape(block.title)}", "", "\\smallskip")
    yield f"\\begin{{tabular}}{{{_alignment(block)}}}"
    yield "\\toprule"
    yield _line([_heading(column) for column in block.columns])
    yield "\\midrule"
    for row in block.rows:
        yield _line([escape(text) for text in row])
    yield from ("\\bottomrule", "\\end{tabular}")


def _alignment(block: Block) -> str:
    letters = ["r" if column.numeric else "l" for column in block.columns]
    if block.title and letters[-1] == "l":
        letters[-1] = "p{0.5\\linewidth}"  # reasons and sources are sentences
    return "".join(letters)


def _heading(column: Column) -> str:
    unit = f"({column.unit})" if column.unit else ""
    return escape(" ".join(filter(None, [column.name, unit, column.arrow])))


def _line(texts: list[str]) -> str:
    # In braces, as a cell that starts with [ would be read as the spacing of the line before.
    return f"{' & '.join(f'{{{text}}}' if text.startswith(('[', '*')) else text for text in texts)} \\\\"


_ESCAPES = {
    "\\": "\\textbackslash{}",
    "{": "\\{",
    "}": "\\}",
    "$": "\\$",
    "&": "\\&",
    "#": "\\#",
    "%": "\\%",
    "_": "\\_",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "''",
    "±": "$\\pm$",
    "·": "$\\cdot$",
    "↓": "$\\downarrow$",
    "↑": "$\\uparrow$",
    "†": "\\textdagger{}",
    "‡": "\\textdaggerdbl{}",
    "…": "\\ldots{}",
}
