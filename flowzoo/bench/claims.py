"""Claims of papers, judged by the records of a suite: reproduced, contradicted, or undecided."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from flowzoo.bench.report.charts import curve_of
from flowzoo.bench.report.evidence import difference, errors_for
from flowzoo.bench.report.ranking import Bits, sample_of
from flowzoo.bench.result import QUALITY, Result
from flowzoo.bench.suite import ClaimEntry, Suite

Outcome = Literal["reproduced", "contradicted", "undecided", "not measured"]


@dataclass(frozen=True)
class Verdict:
    """What the records of a suite say of a claim.

    Attributes:
        claim: The claim.
        data: Title of the data set.
        figures: Mean figures of the row that the claim favours, and of the other; None where not measured.
        difference: Mean of the first minus the second.
        interval: Ends of its interval of 95 %; None with one seed, for what is not measured image by image.
        seeds: Seeds that both rows have.
        paired: Whether the interval rests on differences of the same images.
        outcome: The verdict.
        reason: Why there is none.
        level: Bits/dim to which the times are, for a claim at a common level.
    """

    claim: ClaimEntry
    data: str
    figures: tuple[float | None, float | None]
    difference: float | None
    interval: tuple[float, float] | None
    seeds: tuple[int, ...]
    paired: bool
    outcome: Outcome
    reason: str = ""
    level: float | None = None


def verdicts(suite: Suite, results: Sequence[Result], bits: Bits) -> Iterator[Verdict]:
    """Yield the verdict on each claim of a suite, on each data set.

    The null hypothesis is that both rows are equal (their difference is ``margin``). A claim is reproduced if
    the interval of the difference lies on the claimed side of it, and contradicted if it lies on the other.

    Args:
        suite: The suite, with its claims.
        results: The records of its cells.
        bits: Finds the bits/dim of each image of a record.
    """
    titles = dict.fromkeys(each.data.title for each in results)
    for claim in suite.claims:
        for title in titles if claim.data is None else (claim.data,):
            yield _verdict(claim, title, [each for each in results if each.data.title == title], bits)


def _verdict(claim: ClaimEntry, title: str, results: Sequence[Result], bits: Bits) -> Verdict:
    sides = ((claim.row, claim.metric), (claim.than, claim.metric_of_other))
    cells = [[each for each in results if each.label == label] for label, _ in sides]
    level = _common_level(claim, [*cells[0], *cells[1]]) if claim.at_common_level else None
    rows = [
        {
            each.experiment.seed: (each, figure)
            for each in found
            if (figure := _figure(claim, metric, each, level)) is not None
        }
        for found, (_, metric) in zip(cells, sides, strict=True)
    ]
    seeds = tuple(sorted(rows[0].keys() & rows[1].keys()))
    if not seeds:
        lacking = [label for label, row in zip((claim.row, claim.than), rows, strict=True) if not row]
        reason = f"no figure of {' and '.join(lacking)}" if lacking else "no seed that both rows have"
        return Verdict(claim, title, (None, None), None, None, (), False, "not measured", reason)
    pairs = [[row[seed][0] for seed in seeds] for row in rows]
    figures = [[row[seed][1] for seed in seeds] for row in rows]
    first, second = (sum(each) / len(each) for each in figures)
    means = (first, second)
    reach, paired = _reach(claim, pairs, figures, bits)
    found = first - second
    verdict = Verdict(claim, title, means, found, None, seeds, paired, "undecided", level=level)
    if reach is None:
        return replace(verdict, reason="one seed, and no spread is known")
    verdict = replace(verdict, interval=(found - reach, found + reach))
    if len(seeds) == 1:
        return replace(verdict, reason="one seed, which says nothing about the spread of trainings")
    return replace(verdict, outcome=_outcome(claim, (found - reach, found + reach)))


def _outcome(claim: ClaimEntry, interval: tuple[float, float]) -> Outcome:
    low, high = interval if claim.is_lower else (-interval[1], -interval[0])
    if high < claim.margin:
        return "reproduced"
    return "contradicted" if low > claim.margin else "undecided"


def _reach(
    claim: ClaimEntry, pairs: Sequence[Sequence[Result]], figures: Sequence[Sequence[float]], bits: Bits
) -> tuple[float | None, bool]:
    """Return half the width of the difference's interval of 95 %, and whether images are paired."""
    seeds = len(figures[0])
    if (claim.metric, claim.metric_of_other, claim.detail) == (QUALITY, QUALITY, ""):
        first, second = (sample_of(row, bits) for row in pairs)
        found = difference(first, second)
        if found.error is not None:
            return found.reach, found.paired
    if seeds == 1:
        return None, False
    # The same seed gives both rows the same images in the same order, so seeds are paired.
    apart = [one - other for one, other in zip(*figures, strict=True)]
    mean = sum(apart) / seeds
    variance = sum((each - mean) ** 2 for each in apart) / (seeds - 1)
    return math.sqrt(variance / seeds) * errors_for(seeds - 1), False


def _common_level(claim: ClaimEntry, cells: Sequence[Result]) -> float | None:
    """Return the lowest bits/dim that the training of every cell reached."""
    measured = (cell.metrics.get(claim.metric) for cell in cells)
    curves = [curve_of(each.details) for each in measured if each is not None]
    return max((min(bits for _, bits in curve) for curve in curves if curve), default=None)


def _figure(claim: ClaimEntry, metric: str, result: Result, level: float | None) -> float | None:
    measured = result.metrics.get(metric)
    if level is not None and measured is not None:
        return next((seconds for seconds, bits in curve_of(measured.details) if bits <= level), None)
    if measured is None or not (measured.valid or claim.detail):
        return None
    found = measured.details.get(claim.detail) if claim.detail else measured.value
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None
