"""A leaderboard as small tables of text, from which the terminal, Markdown and LaTeX are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowzoo.bench.report.leaderboard import Leaderboard, Ranked
from flowzoo.bench.report.row import PARAMETERS, QUALITY, TRAINING_SECONDS, Row
from flowzoo.bench.report.wording import ARROWS, BITS, bits, clean, figure_text

LIKELIHOOD = "± standard error over images; sd over seeds"
SET_APART = "Set apart, never ranked: invalid likelihoods"
JOINT = "Set apart, never ranked: joint_bpd, which is no likelihood of the images"
UNRANKED = "Not ranked: no likelihood"
FAILED = "Failed"
PUBLISHED = "Published figures, for context: other budgets and machines, never ranked"


@dataclass(frozen=True)
class Column:
    """Heading of a column.

    Attributes:
        name: What it holds.
        unit: Of its numbers.
        numeric: Whether it holds numbers, which stand to the right.
        arrow: Towards the better ones.
    """

    name: str
    unit: str = ""
    numeric: bool = False
    arrow: str = ""


@dataclass(frozen=True)
class Block:
    """A small table.

    Attributes:
        title: Empty for the ranking itself.
        columns: Headings.
        rows: Texts, one for each column.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


def blocks(board: Leaderboard, costs: Sequence[str]) -> Iterator[Block]:
    """Yield the ranking, then what stands apart from it; tables without rows are left out.

    Args:
        board: The leaderboard.
        costs: Metrics to show beside the quality; see :func:`few_costs` and :func:`all_costs`.
    """
    ranking = _ranking(board, costs)
    if ranking.rows:
        yield ranking
    yield from apart(board, costs)


def apart(board: Leaderboard, costs: Sequence[str] | None = None) -> Iterator[Block]:
    """Yield the tables of what stands apart from the ranking; ``costs`` are all by default."""
    costs = all_costs(board) if costs is None else costs
    made = (_invalid(board), _joint(board), _unranked(board, costs), _failed(board), _published(board))
    return (block for block in made if block.rows)


def few_costs(board: Leaderboard) -> tuple[str, ...]:
    """Return two metrics that say what a row costs, for where there is little room."""
    there = [name for name in _COSTS if name in board.metrics]
    others = [name for name in board.metrics if name not in (*there, QUALITY)]
    return tuple((there + others)[:2])


def all_costs(board: Leaderboard) -> tuple[str, ...]:
    """Return all metrics but quality."""
    return tuple(name for name in board.metrics if name != QUALITY)


def unit_of(board: Leaderboard, metric: str) -> str:
    """Return the unit that all rows state; empty if they differ."""
    units = {row.figures[metric].unit for row in board.rows if metric in row.figures}
    return clean(units.pop(), 20) if len(units) == 1 else ""


def cost_text(board: Leaderboard, row: Row, metric: str) -> str:
    """Return a row's figure for a metric, marked with ``!`` where it is not valid."""
    figure = row.figures.get(metric)
    if figure is None or figure.value is None:
        return "-"
    text = figure_text(figure, with_error=False, with_unit=not unit_of(board, metric))
    return text if figure.valid else f"{text} !"


def rank_text(ranked: Ranked) -> str:
    """Return the rank, or ``floor``."""
    return "floor" if ranked.rank is None else str(ranked.rank)


def status_text(ranked: Ranked) -> str:
    """Return what must stand beside a ranked row."""
    below = ["below the floor"] if ranked.below_floor else []
    return "; ".join([*below, *ranked.row.remarks])


def _ranking(board: Leaderboard, costs: Sequence[str]) -> Block:
    rows = tuple(
        (
            rank_text(each),
            board.name(each.row),
            figure_text(each.row.figures[QUALITY]),
            *(cost_text(board, each.row, name) for name in costs),
            status_text(each),
        )
        for each in board.ranked
    )
    quality = Column(BITS, numeric=True, arrow=ARROWS["lower"])
    return Block(
        "", (Column("rank"), Column("model"), quality, *_cost_columns(board, costs), Column("status")), rows
    )


def _cost_columns(board: Leaderboard, costs: Sequence[str]) -> tuple[Column, ...]:
    return tuple(
        Column(clean(name, 40), unit_of(board, name), numeric=True, arrow=arrow_of(board, name))
        for name in costs
    )


def arrow_of(board: Leaderboard, metric: str) -> str:
    """Return the arrow towards better figures of a metric, if all rows agree on it."""
    directions = {row.figures[metric].better for row in board.rows if metric in row.figures}
    return ARROWS[directions.pop()] if len(directions) == 1 else ""


def _invalid(board: Leaderboard) -> Block:
    rows = tuple(
        (
            board.name(row),
            figure_text(row.figures[QUALITY]),
            "; ".join([*map(clean, row.figures[QUALITY].objections), *row.remarks]),
        )
        for row in board.invalid
    )
    return Block(SET_APART, (Column("model"), Column(BITS, numeric=True), Column("why")), rows)


def _joint(board: Leaderboard) -> Block:
    rows = tuple((board.name(row), bits(row.joint)) for row in board.joint if row.joint is not None)
    return Block(JOINT, (Column("model"), Column("joint_bpd", numeric=True)), rows)


def _unranked(board: Leaderboard, costs: Sequence[str]) -> Block:
    def why(row: Row) -> str:
        figure = row.figures.get(QUALITY)
        return "; ".join(map(clean, figure.objections)) if figure and figure.objections else "not measured"

    rows = tuple(
        (board.name(row), *(cost_text(board, row, name) for name in costs), why(row))
        for row in board.unranked
    )
    return Block(UNRANKED, (Column("model"), *_cost_columns(board, costs), Column("why")), rows)


def _failed(board: Leaderboard) -> Block:
    rows = []
    for row in board.rows:
        for cell in row.failures:
            failure = cell.failure
            stage, cause, reason = (
                (clean(failure.stage, 40), failure.cause, clean(failure.reason, 200))
                if failure
                else ("", "", "")
            )
            rows.append((board.name(row), str(cell.seed), stage, cause, reason))
    columns = (Column("model"), Column("seed", numeric=True), Column("in"), Column("cause"), Column("reason"))
    return Block(FAILED, columns, tuple(rows))


def _published(board: Leaderboard) -> Block:
    rows = []
    for row in board.rows:
        measured = row.quality.value if row.quality is not None and row.quality.valid else None
        for each in row.published:
            source = ", ".join(clean(part, 80) for part in (each.source, each.variant, each.remark) if part)
            here = "-" if measured is None else bits(measured)
            rows.append((board.name(row), here, f"{each.bits_per_dim:g}", source))
    columns = (
        Column("model"),
        Column("here", numeric=True),
        Column("published", numeric=True),
        Column(f"source (on {clean(board.data.published, 40) or 'this data'})"),
    )
    return Block(PUBLISHED, columns, tuple(rows))


_COSTS = (PARAMETERS, "train-speed", "sample-speed", "peak-memory", TRAINING_SECONDS)
