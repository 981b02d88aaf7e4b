"""A leaderboard as a static site: the page of the report, and a page for each model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flowzoo
from flowzoo.bench.artefacts import MODEL
from flowzoo.bench.report import blocks, wording
from flowzoo.bench.report.charts import CURVE, curve_of
from flowzoo.bench.report.facts import facts_of
from flowzoo.bench.report.leaderboard import Leaderboard, Report
from flowzoo.bench.report.page import asset, environment, page, style_policy
from flowzoo.bench.report.row import Row
from flowzoo.bench.report.samples import uri_of
from flowzoo.bench.result import Result
from flowzoo.bench.store import Results
from flowzoo.files import make_folder, write_text
from flowzoo.shell import word

WIDTH, HEIGHT = 600, 240
"""Size of a curve in pixels."""


def write_site(report: Report, results: Results, folder: Path) -> list[Path]:
    """Write ``index.html`` and ``models/*.html``. No page needs the network or JavaScript of others.

    Args:
        report: The report.
        results: The results that it was made from, to find pictures and weights.
        folder: The site's folder; it is made if it does not exist.

    Returns:
        The files.

    Raises:
        FileError: The folder cannot be written.
    """
    make_folder(folder / "models")
    pages = {
        (number, row.label, row.remark): f"models/{_name(board, row)}.html"
        for number, board in enumerate(report.boards)
        for row in board.rows
        if row.finished
    }

    def link(board: Leaderboard, row: Row) -> str:
        return pages.get((report.boards.index(board), row.label, row.remark), "")

    written = [folder / "index.html"]
    write_text(written[0], page(report, results, link))
    for board in report.boards:
        ranks = {id(each.row): each for each in board.ranked}
        for row in board.rows:
            if row.finished:
                ranked = ranks.get(id(row))
                rank = "not ranked" if ranked is None else f"rank {blocks.rank_text(ranked)}"
                written.append(folder / link(board, row))
                write_text(written[-1], model_page(board, row, rank, results))
    return written


def model_page(board: Leaderboard, row: Row, rank: str, results: Results) -> str:
    """Return the page of one row: its figures, curves and samples, and how to load its models."""
    style = asset("page.css")
    return (
        environment()
        .get_template("model.html")
        .render(
            board=board,
            row=row,
            rank=rank,
            cells=[_cell(cell, results) for cell in row.finished],
            figures=[
                (name, wording.figure_text(figure, with_error=True, with_unit=True))
                for name in board.metrics
                if (figure := row.figures.get(name)) is not None and figure.value is not None
            ],
            curves=svg_curves([curve for cell in row.finished if (curve := _curve(cell))]),
            install=_install(row.finished[0]),
            version=flowzoo.__version__,
            style=style,
            policy=f"default-src 'none'; img-src data:; {style_policy(style)}",
        )
    )


def svg_curves(curves: Sequence[Sequence[Sequence[float]]]) -> Mapping[str, Any]:
    """Return the lines of validation curves in a picture of :data:`WIDTH` x :data:`HEIGHT`, and its limits.

    Args:
        curves: Pairs of seconds and bits/dim, for each seed.

    Returns:
        ``lines``, a text of points for each curve, and ``left``, ``right``, ``low``, ``high``; empty without
        curves.
    """
    points = [point for curve in curves for point in curve]
    if not points:
        return {}
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)

    def place(x: float, y: float) -> str:
        across = (x - left) / (right - left or 1.0) * WIDTH
        return f"{across:.1f},{(high - y) / (high - low or 1.0) * HEIGHT:.1f}"

    lines = [" ".join(place(x, y) for x, y in curve) for curve in curves]
    return {"lines": lines, "left": left, "right": right, "low": low, "high": high}


def _curve(cell: Result) -> list[list[float]]:
    return curve_of(cell.metrics[CURVE].details) if CURVE in cell.metrics else []


def _cell(cell: Result, results: Results) -> Mapping[str, Any]:
    uri, remark = uri_of(results.picture(cell))
    names = {name.partition("/")[0] for name in cell.files if MODEL + "/" in name}
    folder = f"results/{cell.suite.replace('/', '-')}/{min(names)}" if names else ""
    return {
        "result": cell,
        "picture": uri,
        "remark": remark,
        "model": folder,
        "argument": word(folder),
        "facts": list(facts_of(cell)),
    }


def _install(cell: Result) -> str:
    plugins = {} if cell.environment is None else cell.environment.plugins
    return " ".join(["pip install", *(f"{name}=={version}" for name, version in sorted(plugins.items()))])


def _name(board: Leaderboard, row: Row) -> str:
    parts = [board.suite, board.data.title, *board.platform, row.label, row.remark]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "--".join(filter(None, parts))).strip("-.")
