"""A report as LaTeX tables, one for each leaderboard."""

from __future__ import annotations

from collections.abc import Iterator

from flowzoo.bench.report.blocks import Block, all_costs, blocks, legend
from flowzoo.bench.report.leaderboard import Leaderboard, Report
from flowzoo.bench.report.summary import counts


def latex(report: Report) -> str:
    r"""Return tables to ``\input``; they need the package ``booktabs``."""
    heading = ["% made by flowzoo bench report; needs \\usepackage{booktabs}", f"% {counts(report)}"]
    return "\n".join([*heading, *(line for board in report.boards for line in _float(board))]) + "\n"


def escape(text: str) -> str:
    r"""Return text that LaTeX prints as it stands.

    >>> escape("50% of a_b")
    '50\\% of a\\_b'
    """
    return text.translate(_ESCAPES)


def _float(board: Leaderboard) -> Iterator[str]:
    costs = all_costs(board)
    caption = ". ".join([board.title, *legend(board, costs, errors=True), *board.notes])
    yield f"\\begin{{table}}\n\\centering\n\\caption{{{escape(caption)}.}}"
    for block in blocks(board, costs, errors=True):
        yield from _tabular(block)
    yield "\\end{table}"


def _tabular(block: Block) -> Iterator[str]:
    letters = ["r" if column.numeric else "l" for column in block.columns]
    if block.title:
        yield f"\n\\medskip\n{escape(block.title)}\n\n\\smallskip"
        if letters[-1] == "l":
            letters[-1] = "p{0.5\\linewidth}"  # reasons and sources are sentences
    yield f"\\begin{{tabular}}{{{''.join(letters)}}}\n\\toprule"
    units = ((each, f"({each.unit})" if each.unit else "") for each in block.columns)
    yield _line([" ".join(filter(None, [each.name, unit, each.arrow])) for each, unit in units])
    yield "\\midrule"
    yield from (_line(row) for row in block.rows)
    yield "\\bottomrule\n\\end{tabular}"


def _line(texts: list[str] | tuple[str, ...]) -> str:
    # In braces, as a cell that starts with [ would be read as the spacing of the line before.
    cells = (f"{{{text}}}" if text.startswith(("[", "*")) else text for text in map(escape, texts))
    return f"{' & '.join(cells)} \\\\"


_ESCAPES = str.maketrans(
    {each: f"\\{each}" for each in "{}$&#%_"}
    | {
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "<": "\\textless{}",
        ">": "\\textgreater{}",
        "|": "\\textbar{}",
        '"': "''",
        "±": "$\\pm$",
        "✓": "$\\surd$",
        "·": "$\\cdot$",
        "↓": "$\\downarrow$",
        "↑": "$\\uparrow$",
        "†": "\\textdagger{}",
        "‡": "\\textdaggerdbl{}",
        "…": "\\ldots{}",
    }
)
