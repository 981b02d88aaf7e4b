"""A report as CSV: a line for each row of each leaderboard, figures in full."""

from __future__ import annotations

import csv
import io
from typing import Any

from flowzoo.bench.report.leaderboard import Leaderboard, Report
from flowzoo.bench.report.row import Row


def csv_text(report: Report) -> str:
    """Return the report as CSV.

    Each metric has four columns: ``NAME``, ``NAME error``, ``NAME sd`` (over seeds) and ``NAME unit``. The
    column ``not valid`` names the metrics whose figures must not be ranked.
    """
    metrics = list(dict.fromkeys(name for board in report.boards for name in board.metrics))
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(metrics), lineterminator="\n", restval="")
    writer.writeheader()
    for board in report.boards:
        ranks = {id(each.row): each for each in board.ranked}
        for row in board.rows:
            ranked = ranks.get(id(row))
            rank = "" if ranked is None or ranked.rank is None else ranked.rank
            below = "" if ranked is None else ranked.below_floor
            writer.writerow(
                {"standing": _standing(board, row), "rank": rank, "below floor": below}
                | _facts(board, row)
                | _figures(row)
            )
    return text.getvalue()


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
        "joint_bpd": "" if row.joint is None else row.joint,
        "published": "; ".join(f"{each.bits_per_dim:g} ({each.source})" for each in row.published),
        "failure": "; ".join(f"{each.stage}: {each.cause}: {each.reason}" for each in failures),
    }


def _figures(row: Row) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for name, figure in row.figures.items():
        cells |= {
            name: figure.value,
            f"{name} error": figure.error,
            f"{name} sd": figure.spread,
            f"{name} unit": figure.unit,
        }
    wrong = sorted(name for name, figure in row.figures.items() if not figure.valid)
    return cells | {"not valid": "; ".join(wrong)}


def _standing(board: Leaderboard, row: Row) -> str:
    if row in board.invalid:
        return "invalid"
    if row in board.unranked:
        return "no likelihood"
    if row in board.failed:
        return "failed"
    return "floor" if row.is_floor else "ranked"


_FACTS = [
    "suite",
    "data",
    "revision",
    "shape",
    "bins",
    "standing",
    "rank",
    "below floor",
    "label",
    "model",
    "device",
    "precision",
    "seeds",
    "failed seeds",
]
