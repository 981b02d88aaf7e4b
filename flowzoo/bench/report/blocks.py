"""A leaderboard as small tables of text, from which the terminal, the page, Markdown and LaTeX are made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from flowzoo.bench.report.conditions import QUALITY
from flowzoo.bench.report.figure import UNSTEADY_FROM
from flowzoo.bench.report.leaderboard import (
    FAILED,
    INVALID,
    OTHER,
    SUPERSEDED,
    UNAUDITED,
    UNMEASURED,
    Leaderboard,
)
from flowzoo.bench.report.ranking import Ranked
from flowzoo.bench.report.row import PARAMETERS, TRAINING_SECONDS, Row
from flowzoo.bench.report.wording import ARROWS, BITS, bits, clean, figure_text

TITLES = {
    SUPERSEDED: "Superseded: made with an older revision of the suite, so not ranked with the rest",
    OTHER: "Not ranked with the rest: measured on other images, with other noise or in another unit",
    UNAUDITED: "Not ranked: not audited, so nothing has checked that these are densities",
    INVALID: "Never ranked: invalid likelihoods",
    UNMEASURED: "Not ranked: no likelihood was measured",
    FAILED: "Failed: no figures",
}
JOINT = "Never ranked: joint_bpd, which is no likelihood of the images"
ELSEWHERE = "Not compared: speeds and times on other machines or with other versions"
PUBLISHED = "Published figures, for context: other budgets and machines, never ranked"

ESTIMATED, UNSTEADY, ELSEWHERE_SIGN, INVALID_SIGN, VERIFIED = "†", "~", "‡", "!", "✓"

_COSTS = (PARAMETERS, "train-speed", TRAINING_SECONDS, "sample-speed", "peak-memory")


@dataclass(frozen=True)
class Column:
    """Heading of a column.

    Attributes:
        name: Name of the column.
        unit: Unit of its numbers.
        numeric: Whether it holds numbers, which are aligned to the right.
        arrow: Points towards the better numbers.
    """

    name: str
    unit: str = ""
    numeric: bool = False
    arrow: str = ""


@dataclass(frozen=True)
class Block:
    """A small table.

    Attributes:
        title: Title; empty for the ranking itself.
        columns: Headings of the columns.
        rows: The rows, each with one text for each column.
        warned: Numbers of rows to read with caution.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    warned: frozenset[int] = frozenset()


MODEL, QUALITY_COLUMN, WHY = Column("model"), Column(BITS, numeric=True), Column("why")


def blocks(board: Leaderboard, costs: Sequence[str], errors: bool = False) -> Iterator[Block]:
    """Yield the ranking, then the tables of rows that are not ranked; tables without rows are left out.

    Args:
        board: The leaderboard.
        costs: Metrics to show with the quality; see :func:`telling_costs` and :func:`all_costs`.
        errors: State the error of each figure, instead of marking the large ones.
    """
    ranking = _ranking(board, costs, errors)
    if ranking.rows:
        yield ranking
    yield from apart(board, costs, errors)


def apart(board: Leaderboard, costs: Sequence[str] | None = None, errors: bool = False) -> Iterator[Block]:
    """Yield the tables of rows that are not ranked; ``costs`` are all by default."""
    costs = all_costs(board) if costs is None else costs
    there = [row for row in board.rows if row.elsewhere]
    shown = [name for name in costs if any(row.is_apart(name) for row in there)]

    def cost(row: Row, name: str) -> str:
        return cost_text(board, row, name, errors)

    def elsewhere(row: Row, name: str) -> str:
        return _figure(board, row, name, errors) if row.is_apart(name) else "-"

    made = (
        *(_with_quality(board, reason) for reason in (SUPERSEDED, OTHER, UNAUDITED, INVALID)),
        _joint(board),
        _with_costs(board, TITLES[UNMEASURED], board.apart[UNMEASURED], costs, cost, WHY, _objections),
        _with_costs(board, ELSEWHERE, there, shown, elsewhere, Column("what differs"), _elsewhere),
        _failed(board),
        _published(board),
    )
    return (block for block in made if block.rows)


def legend(board: Leaderboard, costs: Sequence[str], errors: bool = False) -> Iterator[str]:
    """Yield the meanings of the words and signs that occur in the tables."""
    rows = [each.row for each in board.ranked]
    figures = [row.figures[name] for row in rows for name in costs if name in row.figures]
    if any(row.quality is not None for row in board.rows):
        yield f"{BITS}: mean bits for each value of an image ± standard error over images; lower is better"
    if board.pairs[0]:
        yield _meaning_of_ranks(*board.pairs)
    if any(row.quality is not None and row.quality.spread is not None for row in board.rows):
        yield "sd: standard deviation over seeds"
    if any(row.is_floor for row in rows):
        yield (
            "floor: the Gaussian, fitted in closed form with a full covariance matrix; a model with "
            "higher bits/dim has learnt less than means and covariances"
        )
    if any(row.is_bound for row in board.rows):
        yield "bound, K=n: an upper bound of the true bits/dim, from n draws of coarse images for each image"
    if any(row.estimated for row in rows):
        yield f"{ESTIMATED} computed with Hutchinson's unbiased estimate of the trace"
    if any(row.verified for row in board.rows):
        yield f"{VERIFIED} verified: its weights were measured again, and gave the same figure"
    if any(row.elsewhere for row in board.rows):
        yield f"{ELSEWHERE_SIGN} measured on another machine or with other versions: speeds are shown apart"
    if any(figure.value is not None and not figure.valid for figure in figures):
        yield f"{INVALID_SIGN} the figure is not valid"
    if errors and any(each.error is not None and not each.repeats for each in figures):
        yield "± of speeds: half the interquartile range of the repetitions"
    elif not errors and any(each.unsteady for each in figures):
        yield f"{UNSTEADY} half the interquartile range is more than {UNSTEADY_FROM:.0%} of the figure"


def _meaning_of_ranks(pairs: int, paired: int) -> str:
    by = {pairs: "image by image", 0: "by the errors of both figures, as if of other images"}
    how = by.get(paired) or f"{paired} of them image by image"
    return (
        "rank: 1, and 1 more for each model that is better by more than two standard errors, with Holm's "
        f"correction for {pairs} comparison{'s' if pairs > 1 else ''} ({how}); never before a "
        "model with lower bits/dim"
    )


def telling_costs(board: Leaderboard) -> tuple[str, ...]:
    """Return the metrics of the cost of the ranked rows, the most important first."""
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


def arrow_of(board: Leaderboard, metric: str) -> str:
    """Return the arrow towards better figures of a metric, if all rows agree on it and on their target."""
    directions = {row.figures[metric].better for row in board.rows if metric in row.figures}
    return ARROWS[directions.pop()] if len(directions) == 1 and metric not in board.own_targets else ""


def cost_text(board: Leaderboard, row: Row, metric: str, errors: bool = False) -> str:
    """Return a row's figure for a metric, marked with ``!`` where it is not valid.

    Its error is stated, or a large error is marked with ``~``. A figure that cannot be
    compared with those of the other rows is replaced by ``‡``.
    """
    return ELSEWHERE_SIGN if row.is_apart(metric) else _figure(board, row, metric, errors)


def name_text(board: Leaderboard, row: Row) -> str:
    """Return a row's name with its signs."""
    signs = [ESTIMATED] * row.estimated + [ELSEWHERE_SIGN] * bool(row.elsewhere) + [VERIFIED] * row.verified
    return " ".join([board.name(row), *signs])


def rank_text(ranked: Ranked) -> str:
    """Return the rank, or ``floor``."""
    return "floor" if ranked.rank is None else str(ranked.rank)


def status_text(ranked: Ranked) -> str:
    """Return the remarks of a ranked row."""
    below = ["worse than the Gaussian floor"] if ranked.below_floor else []
    return "; ".join([*below, *ranked.row.remarks])


def _figure(board: Leaderboard, row: Row, metric: str, errors: bool) -> str:
    figure = row.figures.get(metric)
    if figure is None or figure.value is None:
        return "-"
    text = figure_text(figure, with_error=errors, with_unit=not unit_of(board, metric))
    if figure.unsteady and not errors:
        text = f"{UNSTEADY}{text}"
    return text if figure.valid else f"{text} {INVALID_SIGN}"


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
    columns = (Column("rank"), MODEL, quality, *_cost_columns(board, costs), Column("status"))
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], tuple(row[:-1] for row in rows)
    below = frozenset(place for place, each in enumerate(board.ranked) if each.below_floor)
    return Block("", columns, rows, below)


def _cost_columns(board: Leaderboard, costs: Sequence[str]) -> Iterator[Column]:
    for name in costs:
        yield Column(clean(name, 40), unit_of(board, name), numeric=True, arrow=arrow_of(board, name))


def _with_quality(board: Leaderboard, reason: str) -> Block:
    """Return the rows that have a likelihood and are not ranked for one reason."""
    rows = []
    for row in board.apart[reason]:
        figure = row.figures[QUALITY]
        why = {OTHER: [board.other_conditions(row)], INVALID: [_objections(row)]}.get(reason, [])
        text = figure_text(figure, with_unit=figure.unit != BITS)
        rows.append((board.name(row), text, "; ".join([*why, *row.remarks])))
    return Block(TITLES[reason], (MODEL, QUALITY_COLUMN, WHY), tuple(rows))


def _with_costs(
    board: Leaderboard,
    title: str,
    rows: Iterable[Row],
    costs: Sequence[str],
    cost: Callable[[Row, str], str],
    last: Column,
    last_text: Callable[[Row], str],
) -> Block:
    texts = ((board.name(row), *(cost(row, name) for name in costs), last_text(row)) for row in rows)
    return Block(title, (MODEL, *_cost_columns(board, costs), last), tuple(texts))


def _objections(row: Row) -> str:
    figure = row.figures.get(QUALITY)
    return "; ".join(map(clean, figure.objections)) if figure and figure.objections else "not measured"


def _elsewhere(row: Row) -> str:
    return "; ".join(row.elsewhere)


def _joint(board: Leaderboard) -> Block:
    found = [(board.name(row), row.joint) for row in board.rows if row.is_sound]
    rows = tuple((name, bits(joint)) for name, joint in found if joint is not None)
    return Block(JOINT, (MODEL, Column("joint_bpd", numeric=True)), rows)


def _failed(board: Leaderboard) -> Block:
    rows = []
    for row in board.rows:
        for cell in row.failures:
            found = cell.failure
            why = (clean(found.stage, 40), found.cause, clean(found.reason, 200)) if found else ("", "", "")
            rows.append((board.name(row), str(cell.seed), *why))
    columns = (MODEL, Column("seed", numeric=True), Column("in"), Column("cause"), Column("reason"))
    return Block(TITLES[FAILED], columns, tuple(rows))


def _published(board: Leaderboard) -> Block:
    rows = []
    for row in board.rows:
        here = bits(row.bits) if row.quality is not None and row.quality.valid else "-"
        for each in row.published:
            source = ", ".join(clean(part, 80) for part in (each.source, each.variant, each.remark) if part)
            rows.append((board.name(row), here, f"{each.bits_per_dim:g}", source))
    origin = Column(f"source (on {clean(board.data.published, 40) or 'this data'})")
    ours, theirs = (Column(name, numeric=True) for name in ("here", "published"))
    return Block(PUBLISHED, (MODEL, ours, theirs, origin), tuple(rows))
