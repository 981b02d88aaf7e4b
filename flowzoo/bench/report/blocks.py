"""A leaderboard as small tables of text, from which the terminal, Markdown and LaTeX are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowzoo.bench.report.figure import UNSTEADY_FROM
from flowzoo.bench.report.leaderboard import Leaderboard
from flowzoo.bench.report.ranking import Ranked
from flowzoo.bench.report.row import PARAMETERS, TRAINING_SECONDS, Row
from flowzoo.bench.report.terms import QUALITY
from flowzoo.bench.report.wording import ARROWS, BITS, bits, clean, figure_text

LIKELIHOOD = "± standard error over images; sd over seeds"
SET_APART = "Set apart, never ranked: invalid likelihoods"
UNAUDITED = "Set apart, not ranked: not audited, so nothing has checked that these are densities"
ELSEWISE = "Set apart, not ranked with the rest: of other images, noise or unit"
JOINT = "Set apart, never ranked: joint_bpd, which is no likelihood of the images"
UNRANKED = "Not ranked: no likelihood"
FAILED = "Failed"
ELSEWHERE = "Set apart, not compared: speeds and times on other machines or with other versions"
PUBLISHED = "Published figures, for context: other budgets and machines, never ranked"


ESTIMATED, UNSTEADY, APART = "†", "~", "‡"


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
        warned: Numbers of rows to read with caution.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    warned: frozenset[int] = frozenset()


def blocks(board: Leaderboard, costs: Sequence[str], errors: bool = False) -> Iterator[Block]:
    """Yield the ranking, then what stands apart from it; tables without rows are left out.

    Args:
        board: The leaderboard.
        costs: Metrics to show beside the quality; see :func:`telling_costs` and :func:`all_costs`.
        errors: State the error of each, rather than mark the large ones.
    """
    ranking = _ranking(board, costs, errors)
    if ranking.rows:
        yield ranking
    yield from apart(board, costs, errors)


def apart(board: Leaderboard, costs: Sequence[str] | None = None, errors: bool = False) -> Iterator[Block]:
    """Yield the tables of what stands apart from the ranking; ``costs`` are all by default."""
    costs = all_costs(board) if costs is None else costs
    made = (
        _elsewise(board),
        _unaudited(board),
        _invalid(board),
        _joint(board),
        _unranked(board, costs, errors),
        _elsewhere(board, costs, errors),
        _failed(board),
        _published(board),
    )
    return (block for block in made if block.rows)


def legend(board: Leaderboard, costs: Sequence[str], errors: bool = False) -> Iterator[str]:
    """Yield what the signs in the tables mean, those that occur."""
    if not board.ranked:
        return
    yield f"bits/dim {LIKELIHOOD}"
    rows = [each.row for each in board.ranked]
    if any(row.estimated for row in rows):
        yield f"{ESTIMATED} by Hutchinson's unbiased estimate of the trace"
    if any(row.elsewhere for row in board.rows):
        yield f"{APART} measured on another machine or with other versions: speeds and times are set apart"
    figures = [row.figures[name] for row in rows for name in costs if name in row.figures]
    if errors and any(each.error is not None and not each.repeats for each in figures):
        yield "± of speeds: half the interquartile range of the repetitions"
    elif not errors and any(each.unsteady for each in figures):
        yield f"{UNSTEADY} half the interquartile range is more than {UNSTEADY_FROM:.0%} of the figure"


def telling_costs(board: Leaderboard) -> tuple[str, ...]:
    """Return the metrics that say what the ranked rows cost, the most telling first."""
    known = {name for each in board.ranked for name, one in each.row.figures.items() if one.value is not None}
    there = [name for name in _COSTS if name in board.metrics]
    others = [name for name in board.metrics if name not in (*there, QUALITY)]
    return tuple(name for name in there + others if name in known or not board.ranked)


def all_costs(board: Leaderboard) -> tuple[str, ...]:
    """Return all metrics but quality."""
    return tuple(name for name in board.metrics if name != QUALITY)


def unit_of(board: Leaderboard, metric: str) -> str:
    """Return the unit that all rows state; empty if they differ."""
    units = {row.figures[metric].unit for row in board.rows if metric in row.figures}
    return clean(units.pop(), 32) if len(units) == 1 else ""


def cost_text(board: Leaderboard, row: Row, metric: str, errors: bool = False) -> str:
    """Return a row's figure for a metric, marked with ``!`` where it is not valid.

    Its error is told, or else marked with ``~`` where it is large. In place of a figure that does not compare
    with those of the other rows stands ``‡``.
    """
    return APART if row.is_apart(metric) else _cost_text(board, row, metric, errors)


def name_text(board: Leaderboard, row: Row) -> str:
    """Return a row's name with its signs."""
    signs = [ESTIMATED] * row.estimated + [APART] * bool(row.elsewhere)
    return " ".join([board.name(row), *signs])


def _cost_text(board: Leaderboard, row: Row, metric: str, errors: bool) -> str:
    figure = row.figures.get(metric)
    if figure is None or figure.value is None:
        return "-"
    text = figure_text(figure, with_error=errors, with_unit=not unit_of(board, metric))
    if figure.unsteady and not errors:
        text = f"{UNSTEADY}{text}"
    return text if figure.valid else f"{text} !"


def rank_text(ranked: Ranked) -> str:
    """Return the rank, or ``floor``."""
    return "floor" if ranked.rank is None else str(ranked.rank)


def status_text(ranked: Ranked) -> str:
    """Return what must stand beside a ranked row."""
    below = ["worse than floor"] if ranked.below_floor else []
    return "; ".join([*below, *ranked.row.remarks])


def _ranking(board: Leaderboard, costs: Sequence[str], errors: bool) -> Block:
    rows = tuple(
        (
            rank_text(each),
            name_text(board, each.row),
            figure_text(each.row.figures[QUALITY]),
            *(cost_text(board, each.row, name, errors) for name in costs),
            status_text(each),
        )
        for each in board.ranked
    )
    quality = Column(BITS, numeric=True, arrow=ARROWS["lower"])
    columns = (Column("rank"), Column("model"), quality, *_cost_columns(board, costs), Column("status"))
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], tuple(row[:-1] for row in rows)
    below = frozenset(place for place, each in enumerate(board.ranked) if each.below_floor)
    return Block("", columns, rows, below)


def _cost_columns(board: Leaderboard, costs: Sequence[str]) -> tuple[Column, ...]:
    return tuple(
        Column(clean(name, 40), unit_of(board, name), numeric=True, arrow=arrow_of(board, name))
        for name in costs
    )


def arrow_of(board: Leaderboard, metric: str) -> str:
    """Return the arrow towards better figures of a metric, if all rows agree on it and on what it is of."""
    directions = {row.figures[metric].better for row in board.rows if metric in row.figures}
    return ARROWS[directions.pop()] if len(directions) == 1 and metric not in board.own_targets else ""


def _elsewise(board: Leaderboard) -> Block:
    rows = tuple(
        (
            board.name(row),
            figure_text(row.figures[QUALITY], with_unit=row.figures[QUALITY].unit != BITS),
            "; ".join([board.why_elsewise(row), *row.remarks]),
        )
        for row in board.elsewise
    )
    return Block(ELSEWISE, (Column("model"), Column(BITS, numeric=True), Column("why")), rows)


def _unaudited(board: Leaderboard) -> Block:
    rows = tuple(
        (board.name(row), figure_text(row.figures[QUALITY]), "; ".join(row.remarks))
        for row in board.unaudited
    )
    return Block(UNAUDITED, (Column("model"), Column(BITS, numeric=True), Column("status")), rows)


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


def _unranked(board: Leaderboard, costs: Sequence[str], errors: bool) -> Block:
    def why(row: Row) -> str:
        figure = row.figures.get(QUALITY)
        return "; ".join(map(clean, figure.objections)) if figure and figure.objections else "not measured"

    rows = tuple(
        (board.name(row), *(cost_text(board, row, name, errors) for name in costs), why(row))
        for row in board.unranked
    )
    return Block(UNRANKED, (Column("model"), *_cost_columns(board, costs), Column("why")), rows)


def _elsewhere(board: Leaderboard, costs: Sequence[str], errors: bool) -> Block:
    there = [row for row in board.rows if row.elsewhere]
    shown = [name for name in costs if any(row.is_apart(name) for row in there)]
    rows = tuple(
        (
            board.name(row),
            *(_cost_text(board, row, name, errors) if row.is_apart(name) else "-" for name in shown),
            "; ".join(row.elsewhere),
        )
        for row in there
    )
    return Block(ELSEWHERE, (Column("model"), *_cost_columns(board, shown), Column("what differs")), rows)


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


_COSTS = (PARAMETERS, "train-speed", TRAINING_SECONDS, "sample-speed", "peak-memory")
