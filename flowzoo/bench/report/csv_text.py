"""A report as CSV: a line for each row of each leaderboard, figures in full."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from flowzoo.bench.report.leaderboard import Leaderboard, Report
from flowzoo.bench.report.row import Row
from flowzoo.bench.report.wording import clean, shape_text

_LONGEST = 10_000
"""Largest number of characters in a cell; a spreadsheet allows three times as many."""


def csv_text(report: Report) -> str:
    """Return the report as CSV.

    Each metric has four columns: ``NAME``, ``NAME error``, ``NAME sd`` (over seeds) and ``NAME unit``. Speeds
    and times of another machine or other versions than those of most rows have four of their own,
    ``NAME elsewhere`` and so on, and ``what differs`` says why. The column ``not valid`` names the metrics
    whose figures must not be ranked. Text that a spreadsheet would take for a formula starts with an
    apostrophe.
    """
    lines = [line for board in report.boards for line in _lines(board)]
    # A line has three parts: its subject, its figures, and remarks.
    parts = [dict.fromkeys(name for each in part for name in each) for part in zip(*lines, strict=True)]
    columns = [name for part in parts for name in part]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_cell, columns))
    for about, figures, rest in lines:
        line = {**about, **figures, **rest}
        writer.writerow(_cell(line.get(name, "")) for name in columns)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Return text as one line that a spreadsheet does not take for a formula; numbers do not change."""
    if not isinstance(value, str):
        return value
    line = clean(value, _LONGEST)
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def _lines(board: Leaderboard) -> Iterator[tuple[dict[str, Any], ...]]:
    ranks = {id(each.row): each for each in board.ranked}
    for standing, row in board.standings:
        ranked, data = ranks.get(id(row)), board.data
        about = {
            "suite": board.suite,
            "data": data.name,
            "data label": data.label,
            "revision": data.revision,
            "shape": shape_text(data.shape),
            "bins": data.bins,
            "standing": standing,
            "rank": None if ranked is None else ranked.rank,
            "place by value": None if ranked is None else ranked.by_value,
            "worse than floor": None if ranked is None else ranked.below_floor,
            "label": row.label,
            "model": row.model,
            "device": row.platform[0],
            "precision": row.platform[1],
            "seeds": len(row.finished),
            "failed seeds": len(row.failures),
            "what differs": "; ".join(row.elsewhere),
        }
        failures = [cell.failure for cell in row.failures if cell.failure is not None]
        rest = {
            "not valid": "; ".join(sorted(name for name, one in row.figures.items() if not one.valid)),
            "joint_bpd": row.joint,
            "published": "; ".join(f"{each.bits_per_dim:g} ({each.source})" for each in row.published),
            "failure": "; ".join(f"{each.stage}: {each.cause}: {each.reason}" for each in failures),
        }
        yield about, _figures(board, row), rest


def _figures(board: Leaderboard, row: Row) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for metric in board.metrics:
        figure = row.figures.get(metric)
        name = f"{metric} elsewhere" if row.is_apart(metric) else metric
        values = (figure.value, figure.error, figure.spread, figure.unit) if figure else (None,) * 4
        cells |= {f"{name}{part}": value for part, value in zip(_PARTS, values, strict=True)}
    return cells


_PARTS = ("", " error", " sd", " unit")
