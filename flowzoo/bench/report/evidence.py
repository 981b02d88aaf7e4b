"""Whether two rows differ by more than chance: by the differences on the same images where these are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from flowzoo.bench.kept_bits import KeptBits

ERRORS = 2.0
"""Number of standard errors by which two rows must differ."""

LEVEL = math.erfc(ERRORS / math.sqrt(2.0))
"""Probability that the means of two equal rows are so far apart, by chance: 4.6 %."""


@dataclass(frozen=True)
class Sample:
    """The likelihoods of a row.

    Attributes:
        means: Bits/dim of each seed.
        errors: Standard error over images of each; None where it is unknown.
        images: Bits/dim of each image, for each seed; empty if those of a seed are not kept.
    """

    means: tuple[float, ...]
    errors: tuple[float | None, ...]
    images: tuple[KeptBits, ...] = ()

    @property
    def mean(self) -> float:
        """Mean over seeds."""
        return sum(self.means) / len(self.means)


@dataclass(frozen=True)
class Difference:
    """How two rows differ.

    Attributes:
        mean: Mean of first minus second, bits/dim.
        error: Its standard error; None if it is unknown.
        paired: Whether it was computed image by image.
        degrees: Degrees of freedom of the error: few where it rests on the spread over a few seeds.
    """

    mean: float
    error: float | None
    paired: bool
    degrees: float = math.inf

    @property
    def probability(self) -> float:
        """Probability of so large a difference between equal rows; 0 where the error is unknown or 0."""
        if self.mean == 0.0:
            return 1.0
        if not self.error:
            return 0.0
        return math.erfc(_as_normal(abs(self.mean) / self.error, self.degrees) / math.sqrt(2.0))

    @property
    def reach(self) -> float | None:
        """Half the width of the interval of the difference: two standard errors if these are well known."""
        return None if self.error is None else self.error * errors_for(self.degrees)


def errors_for(degrees: float) -> float:
    """Return how many standard errors are as unlikely, by chance, as :data:`ERRORS` of a normal one.

    It inverts the approximation of Student's distribution by Wallace, "Bounds on Normal Approximations to
    Student's and the Chi-Square Distributions", 1959: 2.01 for 200 degrees of freedom, and 4.7 for 2.
    """
    if math.isinf(degrees):
        return ERRORS
    scaled = ERRORS * (8 * degrees + 3) / (8 * degrees + 1)
    return math.sqrt(degrees * math.expm1(scaled**2 / degrees))


def _as_normal(errors: float, degrees: float) -> float:
    """Return the number of standard errors of a normal difference that is as unlikely."""
    if math.isinf(degrees):
        return errors
    return (8 * degrees + 1) / (8 * degrees + 3) * math.sqrt(degrees * math.log1p(errors**2 / degrees))


def difference(first: Sample, second: Sample) -> Difference:
    """Compare two rows.

    Images are a sample, and so are seeds. The variance over images is that of the differences of the same
    images, averaged over seeds. Where these are not kept, it is the sum of both rows' variances, which is too
    large. The variance over seeds is added where a row has several.
    """
    mean = first.mean - second.mean
    over_seeds = _over_seeds(first) + _over_seeds(second)
    if _paired(first, second):
        ours, theirs = (np.mean([each.values for each in one.images], axis=0) for one in (first, second))
        own = float(np.var(ours - theirs, ddof=1)) / len(ours)
        degrees = _degrees(first, second, own, len(ours))
        return Difference(mean, math.sqrt(own + over_seeds), True, degrees)
    variances = [_over_images(first), _over_images(second)]
    if any(each is None for each in variances):
        return Difference(mean, None, paired=False)
    own = sum(filter(None, variances))
    return Difference(mean, math.sqrt(own + over_seeds), False, _degrees(first, second, own, None))


def differences(samples: Sequence[Sample]) -> dict[tuple[int, int], Difference]:
    """Return the difference of every two rows, by their places."""
    return {
        (one, other): difference(samples[one], samples[other])
        for one, other in combinations(range(len(samples)), 2)
    }


def clear(found: Mapping[tuple[int, int], Difference]) -> set[tuple[int, int]]:
    """Return the pairs that differ by more than chance, by Holm's step-down correction over all of them.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979.
    """
    by_chance = sorted(found, key=lambda pair: found[pair].probability)
    kept: set[tuple[int, int]] = set()
    for place, pair in enumerate(by_chance):
        if found[pair].probability > LEVEL / (len(by_chance) - place):
            break
        kept.add(pair)
    return kept


def _paired(first: Sample, second: Sample) -> bool:
    kept = [*first.images, *second.images]
    return (
        bool(first.images and second.images)
        and len(kept[0].values) > 1
        and all(kept[0].paired_with(each) for each in kept)
    )


def _over_images(sample: Sample) -> float | None:
    """Return the variance over images of a row's mean: its seeds see the same images, so they err alike."""
    if any(each is None for each in sample.errors):
        return None
    return (sum(each for each in sample.errors if each is not None) / len(sample.errors)) ** 2


def _degrees(first: Sample, second: Sample, own: float, images: int | None) -> float:
    """Return the degrees of freedom of a sum of variances, by Satterthwaite's formula.

    The variance over images has as many as there are images but one; where their number is unknown, it
    counts as known exactly.
    """
    parts = [(_over_seeds(each), len(each.means) - 1) for each in (first, second) if len(each.means) > 1]
    if images is not None:
        parts.append((own, images - 1))
    uncertain = sum(variance**2 / degrees for variance, degrees in parts)
    whole = own + sum(_over_seeds(each) for each in (first, second))
    return whole**2 / uncertain if uncertain > 0 else math.inf


def _over_seeds(sample: Sample) -> float:
    if len(sample.means) < 2:
        return 0.0
    return float(np.var(sample.means, ddof=1)) / len(sample.means)
