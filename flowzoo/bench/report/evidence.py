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
    """

    mean: float
    error: float | None
    paired: bool

    @property
    def probability(self) -> float:
        """Probability of so large a difference between equal rows; 0 where the error is unknown or 0."""
        if self.mean == 0.0:
            return 1.0
        return math.erfc(abs(self.mean) / self.error / math.sqrt(2.0)) if self.error else 0.0


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
        return Difference(mean, math.sqrt(own + over_seeds), paired=True)
    variances = [_over_images(first), _over_images(second)]
    if any(each is None for each in variances):
        return Difference(mean, None, paired=False)
    return Difference(mean, math.sqrt(sum(filter(None, variances)) + over_seeds), paired=False)


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


def _over_seeds(sample: Sample) -> float:
    if len(sample.means) < 2:
        return 0.0
    return float(np.var(sample.means, ddof=1)) / len(sample.means)
