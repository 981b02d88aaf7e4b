"""Ranks rows by their likelihoods on the same images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from flowzoo.bench.report.conditions import CONDITIONS, Conditions, conditions_of
from flowzoo.bench.report.row import Row
from flowzoo.bench.report.wording import BITS


@dataclass(frozen=True)
class Ranked:
    """A row with its rank.

    Attributes:
        rank: Rank from 1, the same for equal figures; None for the Gaussian floor, which has no rank.
        row: The row.
        below_floor: Whether its bits/dim are not better than the floor's.
    """

    rank: int | None
    row: Row
    below_floor: bool


def rank(rows: Sequence[Row]) -> tuple[Ranked, ...]:
    """Rank rows with a valid likelihood that was measured under the same conditions."""
    rows = sorted(rows, key=lambda row: (row.bits, row.label))
    floor = min((row.bits for row in rows if row.is_floor), default=None)
    models = [row.bits for row in rows if not row.is_floor]
    return tuple(
        Ranked(
            # Equal figures have the rank of the first of them.
            rank=None if row.is_floor else models.index(row.bits) + 1,
            row=row,
            below_floor=not row.is_floor and floor is not None and row.bits >= floor,
        )
        for row in rows
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
