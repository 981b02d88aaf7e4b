"""The data of the page's charts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from flowzoo.bench.report.blocks import all_costs, arrow_of, unit_of
from flowzoo.bench.report.leaderboard import Leaderboard, Report
from flowzoo.bench.report.row import Row
from flowzoo.bench.report.wording import clean

CURVE = "time-to-bpd"
"""The metric whose details hold ``curve``, pairs of seconds and bits/dim."""

POINTS = 300
"""Largest number of points of a curve that are drawn."""


def chart_data(report: Report) -> list[dict[str, Any]]:
    """Return the data of each leaderboard's charts; only valid likelihoods are drawn."""
    # A model has the same colour in every chart of the page; the floors come last.
    ranked = [each.row for board in report.boards for each in board.ranked]
    labels = sorted({row.label for row in ranked if not row.is_floor})
    labels += sorted({row.label for row in ranked} - {*labels})
    colours = {label: number for number, label in enumerate(labels)}
    return [_board(board, colours) for board in report.boards]


def _board(board: Leaderboard, colours: Mapping[str, int]) -> dict[str, Any]:
    rows = [each.row for each in board.ranked]
    axes = [name for name in all_costs(board) if name not in board.own_targets]
    costs = [name for name in axes if any(_cost(row, name) for row in rows)]
    return {
        "costs": [
            {"name": clean(name), "unit": unit_of(board, name), "arrow": arrow_of(board, name)}
            for name in costs
        ],
        "rows": [
            {
                "name": board.name(row),
                "colour": colours[row.label],
                "floor": row.is_floor,
                "quality": row.bits,
                "error": row.quality.error if row.quality else None,
                "costs": [_cost(row, name) for name in costs],
                # Times of another machine cannot be compared.
                "curves": _curves(row),
            }
            for row in rows
        ],
    }


def _curves(row: Row) -> list[list[list[float]]]:
    measured = (cell.metrics[CURVE] for cell in row.timed if CURVE in cell.metrics)
    return [curve for curve in (curve_of(each.details) for each in measured) if curve]


def curve_of(details: Mapping[str, Any]) -> list[list[float]]:
    """Return some of the points of a curve; empty if there is no valid curve."""
    given = details.get("curve")
    if not isinstance(given, list | tuple):
        return []
    points = [[float(each[0]), float(each[1])] for each in given if _is_point(each)]
    points.sort(key=lambda point: point[0])
    # Counted from the end, as that is where a curve is read off.
    return points[::-1][:: max(1, math.ceil(len(points) / POINTS))][::-1]


def _is_point(given: Any) -> bool:
    if not isinstance(given, list | tuple) or len(given) != 2:
        return False
    return all(isinstance(each, int | float) and math.isfinite(each) for each in given)


def _cost(row: Row, metric: str) -> float | None:
    figure = row.figures.get(metric)
    return figure.value if figure is not None and figure.valid and not row.is_apart(metric) else None
