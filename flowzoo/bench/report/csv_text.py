"""A report as CSV: a line for each row of each leaderboard, figures in full."""

from __future__ import annotations

import csv
import io
from typing import Any

from flowzoo.bench.report.leaderboard import Leaderboard, Report
from flowzoo.bench.report.row import Row
from flowzoo.bench.report.wording import clean


def csv_text(report: Report) -> str:
    """Return the report as CSV.

    Each metric has four columns: ``NAME``, ``NAME error``, ``NAME sd`` (over seeds) and ``NAME unit``. Speeds
    and times of another machine or other versions than those of most rows have four of their own,
    ``NAME elsewhere`` and so on, and ``what differs`` says why. The column ``not valid`` names the metrics
    whose figures must not be ranked. Text that a spreadsheet would take for a formula starts with an
    apostrophe.
    """
    rows = [row for board in report.boards for row in board.rows]
    metrics = [
        column
        for name in dict.fromkeys(name for board in report.boards for name in board.metrics)
        for column in [name, *[_apart(name)] * any(row.is_apart(name) for row in rows)]
    ]
    text = io.StringIO()
    columns = _columns(metrics)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_cell, columns))
    for board in report.boards:
        ranks = {id(each.row): each for each in board.ranked}
        for standing, row in board.standings:
            ranked = ranks.get(id(row))
            rank = "" if ranked is None or ranked.rank is None else ranked.rank
            below = "" if ranked is None else ranked.below_floor
            line = {"standing": standing, "rank": rank, "worse than floor": below}
            line |= _facts(board, row) | _figures(row)
            writer.writerow(_cell(line.get(name, "")) for name in columns)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Return text as one line that no spreadsheet computes; numbers stay what they are."""
    if not isinstance(value, str):
        return value
    line = clean(value, _LONGEST)
    return f"'{line}" if line.startswith(("=", "+", "-", "@")) else line


def _columns(metrics: list[str]) -> list[str]:
    figures = [f"{name}{part}" for name in metrics for part in ("", " error", " sd", " unit")]
    return [*_FACTS, *figures, "not valid", "joint_bpd", "published", "failure"]


def _facts(board: Leaderboard, row: Row) -> dict[str, Any]:
    data = board.data
    device, precision = row.place
    failures = [cell.failure for cell in row.failures if cell.failure is not None]
    return {
        "suite": board.suite,
        "data": data.name,
        "revision": data.revision,
        "shape": "x".join(map(str, data.shape)),
        "bins": data.bins,
        "label": row.label,
        "model": row.model,
        "device": device,
        "precision": precision,
        "seeds": len(row.finished),
        "failed seeds": len(row.failures),
        "what differs": "; ".join(row.elsewhere),
        "joint_bpd": "" if row.joint is None else row.joint,
        "published": "; ".join(f"{each.bits_per_dim:g} ({each.source})" for each in row.published),
        "failure": "; ".join(f"{each.stage}: {each.cause}: {each.reason}" for each in failures),
    }


def _figures(row: Row) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for metric, figure in row.figures.items():
        name = _apart(metric) if row.is_apart(metric) else metric
        cells |= {
            name: figure.value,
            f"{name} error": figure.error,
            f"{name} sd": figure.spread,
            f"{name} unit": figure.unit,
        }
    wrong = sorted(name for name, figure in row.figures.items() if not figure.valid)
    return cells | {"not valid": "; ".join(wrong)}


def _apart(metric: str) -> str:
    return f"{metric} elsewhere"


_LONGEST = 10_000
"""Characters of a cell; a spreadsheet holds three times as many."""

_FACTS = [
    "suite",
    "data",
    "revision",
    "shape",
    "bins",
    "standing",
    "rank",
    "worse than floor",
    "label",
    "model",
    "device",
    "precision",
    "seeds",
    "failed seeds",
    "what differs",
]
