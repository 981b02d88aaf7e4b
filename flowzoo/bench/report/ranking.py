"""Ranks rows by evidence: by the differences of their likelihoods on the same images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from flowzoo.bench.kept_bits import KeptBits
from flowzoo.bench.report.conditions import CONDITIONS, QUALITY, Conditions, conditions_of
from flowzoo.bench.report.evidence import Sample, clear, differences
from flowzoo.bench.report.row import Row
from flowzoo.bench.report.wording import BITS
from flowzoo.bench.result import Result

Bits = Callable[[Result], KeptBits | None]
"""Finds the bits/dim of each image of a result."""


@dataclass(frozen=True)
class Ranked:
    """A row with its rank.

    Attributes:
        rank: 1, and 1 more for each row that is better by more than chance; at least that of each row with
            a better figure. None for the Gaussian floor, which has no rank.
        row: The row.
        below_floor: Whether its bits/dim are not better than the floor's.
        by_value: Its place by its figure alone; None for the floor.
    """

    rank: int | None
    row: Row
    below_floor: bool
    by_value: int | None


@dataclass(frozen=True)
class Ranking:
    """Rows with a valid likelihood that was measured under the same conditions.

    Attributes:
        ranked: The rows, by rank and then by their figures. The floor is where its figure is.
        pairs: Number of pairs of rows that were compared.
        paired: Number of those that were compared image by image.
    """

    ranked: tuple[Ranked, ...]
    pairs: int
    paired: int


def rank(rows: Sequence[Row], bits: Bits = lambda result: None) -> Ranking:
    """Rank rows by evidence: rows that do not clearly differ share a rank."""
    rows = sorted(rows, key=lambda row: (row.bits, row.label))
    floor = min((row.bits for row in rows if row.is_floor), default=None)
    models = [row for row in rows if not row.is_floor]
    values = [row.bits for row in models]
    found = differences([sample_of(row.finished, bits) for row in models])
    worse = Counter(other for _, other in clear(found))
    # A row of few seeds, which differs clearly from none, is not put before better figures for that.
    ranks = accumulate((1 + worse[place] for place in range(len(models))), max)
    ranked = [
        Ranked(
            rank=rank,
            row=row,
            below_floor=floor is not None and row.bits >= floor,
            by_value=values.index(row.bits) + 1,
        )
        for rank, row in zip(ranks, models, strict=True)
    ]
    for row in rows:
        if row.is_floor:
            place = sum(each.row.bits < row.bits for each in ranked)
            ranked.insert(place, Ranked(None, row, below_floor=False, by_value=None))
    return Ranking(tuple(ranked), len(found), sum(each.paired for each in found.values()))


def sample_of(cells: Sequence[Result], bits: Bits) -> Sample:
    """Return the likelihoods of a row's finished cells, and those of each image if all cells kept them."""
    measured = [cell.metrics[QUALITY] for cell in cells]
    kept = [found for cell in cells if (found := bits(cell)) is not None]
    return Sample(
        means=tuple(each.value for each in measured if each.value is not None),
        errors=tuple(each.error for each in measured),
        images=tuple(kept) if len(kept) == len(cells) else (),
    )


def row_conditions(row: Row) -> Conditions:
    """Return the conditions of a row's likelihood, which are the same for its seeds."""
    return conditions_of(row.finished[0])


def usual_conditions(rows: Sequence[Row]) -> Conditions:
    """Return the conditions to rank by: those of the test split if possible, otherwise those of most rows.

    If several are equally common, those of the floor count, then those with most images. The unit is always
    bits/dim.
    """
    split, images, unit = (CONDITIONS.index(name) for name in ("split", "images", "unit"))
    rows = [row for row in rows if row_conditions(row)[unit] == BITS]
    if not rows:
        return tuple(BITS if name == "unit" else "" for name in CONDITIONS)
    votes = Counter(row_conditions(row) for row in [row for row in rows if not row.is_floor] or rows)
    floors = {row_conditions(row) for row in rows if row.is_floor}

    def preference(found: Conditions) -> tuple[bool, int, bool, int, Conditions]:
        count = int(found[images]) if found[images].isdecimal() else 0
        return (found[split] == "test", votes[found], found in floors, count, found)

    return max(votes, key=preference)
