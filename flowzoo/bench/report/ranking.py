"""Rows in the order of their likelihoods, as far as these are of the same images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from flowzoo.bench.report.row import Row
from flowzoo.bench.report.terms import TERMS, Terms, terms_of
from flowzoo.bench.report.wording import BITS


@dataclass(frozen=True)
class Ranked:
    """A row with its rank.

    Attributes:
        rank: From 1, equal figures alike; None for the Gaussian floor, which has no number among the others.
        row: The row.
        below_floor: Whether it fails to beat the floor.
    """

    rank: int | None
    row: Row
    below_floor: bool


def rank(rows: Sequence[Row]) -> tuple[Ranked, ...]:
    """Rank rows with a valid likelihood that was measured on the same terms."""
    rows = sorted(rows, key=lambda row: (_bits(row), row.label))
    floor = min((_bits(row) for row in rows if row.is_floor), default=None)
    models = [_bits(row) for row in rows if not row.is_floor]
    return tuple(
        Ranked(
            # Equal figures share the rank of the first of them.
            rank=None if row.is_floor else models.index(_bits(row)) + 1,
            row=row,
            below_floor=not row.is_floor and floor is not None and _bits(row) >= floor,
        )
        for row in rows
    )


def row_terms(row: Row) -> Terms:
    """Return on what a row's likelihood was measured; its seeds have that in common."""
    return terms_of(row.finished[0])


def usual_terms(rows: Sequence[Row]) -> Terms:
    """Return the terms to rank by: the test split's where there is any, then those of most rows.

    Where several are as common, the floor's count, then those of most images. The unit is always bits/dim.
    """
    split, images, unit = (TERMS.index(name) for name in ("split", "images", "unit"))
    rows = [row for row in rows if row_terms(row)[unit] == BITS]
    if not rows:
        return tuple(BITS if place == unit else "" for place in range(len(TERMS)))
    votes = Counter(row_terms(row) for row in [row for row in rows if not row.is_floor] or rows)
    floors = {row_terms(row) for row in rows if row.is_floor}

    def preference(terms: Terms) -> tuple[bool, int, bool, int, Terms]:
        count = int(terms[images]) if terms[images].isdecimal() else 0
        return (terms[split] == "test", votes[terms], terms in floors, count, terms)

    return max(votes, key=preference)


def _bits(row: Row) -> float:
    assert row.quality is not None
    assert row.quality.value is not None
    return row.quality.value
