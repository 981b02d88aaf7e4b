"""How well a score tells two sets of images apart: AUROC, AUPR and FPR@95, with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95
"""Coverage of the intervals."""

FEWEST = 10
"""Fewest scores of a set for an interval: resamples of fewer hardly differ, whatever the truth is."""

RECALL = 0.95
"""Share of the model's own images that FPR@95 accepts."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A figure with its interval.

    Attributes:
        value: The figure, in ``[0, 1)`` or 1.
        low: Lower end of the 95 % interval, from resamples of both sets of images. None where a set has
            fewer than :data:`FEWEST` scores, and for an AUPR of 1.
        high: Upper end.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Separation:
    """How well a score, higher for the model's own images, tells them from others.

    Attributes:
        auroc: Probability that one of the model's own images has the higher score, ties counted as half.
        aupr: Area under precision against recall, the model's own images being those to find (average
            precision). A score that tells nothing gets their share of all images.
        fpr95: Share of the other images above the score that 95 % of the model's own images reach.
    """

    auroc: Figure
    aupr: Figure
    fpr95: Figure


def separation(own: Values, other: Values, seed: int = 0, resamples: int = RESAMPLES) -> Separation:
    """Measure how well a score tells two sets of images apart.

    Args:
        own: Scores of the model's own images, ``(N,)``. Higher means more like its training images.
        other: Scores of other images, ``(M,)``.
        seed: Seed of the resamples.
        resamples: Number of resamples for the intervals.

    References:
        The three figures: Hendrycks and Gimpel, "A Baseline for Detecting Misclassified and
        Out-of-Distribution Examples in Neural Networks", 2017. Intervals: Efron's percentile bootstrap. Where
        a score makes no mistake, no resample has one, and the interval of AUROC and FPR@95 is Clopper and
        Pearson's for a share of 0 or 1: of the other images for FPR@95, and for AUROC of as many pairs as
        can be made without using an image twice.
    """
    generator = np.random.default_rng(seed)
    weights = np.concatenate(
        [np.ones((1, len(own) + len(other))), _resampled(generator, len(own), len(other), resamples)]
    )
    auroc, aupr, fpr95 = _figures(np.concatenate([own, other]), len(own), weights)
    pairs = min(len(own), len(other))
    if pairs < FEWEST:
        return Separation(*(Figure(float(each[0]), None, None) for each in (auroc, aupr, fpr95)))
    return Separation(
        _with_interval(auroc, pairs),
        Figure(1.0, None, None) if (aupr == 1).all() else _with_interval(aupr, pairs),
        _with_interval(fpr95, len(other)),
    )


def _resampled(generator: np.random.Generator, own: int, other: int, resamples: int) -> Values:
    """Return how often each image is drawn, ``(resamples, own + other)``; each set is resampled by itself."""
    counts = [generator.multinomial(n, np.full(n, 1 / n), size=resamples) for n in (own, other)]
    return np.concatenate(counts, axis=1).astype(np.float64)


def _figures(scores: Values, own: int, weights: Values) -> tuple[Values, Values, Values]:
    """Return AUROC, AUPR and FPR@95 for each row of weights, ``(R,)`` each."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    is_own = (order < own).astype(np.float64)
    drawn = weights[:, order]
    last = np.append(ranked[1:] != ranked[:-1], True)  # images of one score pass a threshold together
    accepted_own = np.cumsum(drawn * is_own, axis=1)[:, last]
    accepted_other = np.cumsum(drawn * (1 - is_own), axis=1)[:, last]
    recall = accepted_own / accepted_own[:, -1:]
    false = accepted_other / accepted_other[:, -1:]
    gain = np.diff(recall, axis=1, prepend=0.0)
    before = np.concatenate([np.zeros((len(weights), 1)), false[:, :-1]], axis=1)
    auroc = 1.0 - (gain * (before + false) / 2).sum(1)
    accepted = accepted_own + accepted_other
    precision = accepted_own / np.maximum(accepted, 1.0)
    aupr = (gain * precision).sum(1)
    reached = (recall >= RECALL - 1e-12).argmax(1)
    return auroc, aupr, np.take_along_axis(false, reached[:, None], axis=1)[:, 0]


def _with_interval(values: Values, trials: int) -> Figure:
    """Return the figure of the first value, with an interval from the others.

    Args:
        values: The figure of the images, then those of the resamples.
        trials: Independent trials that never, or always, succeeded if all values are 0, or 1.
    """
    outside = (1 - LEVEL) / 2
    low, high = np.quantile(values[1:], [outside, 1 - outside])
    share = outside ** (1 / trials)  # what succeeds with this probability succeeds in all trials so seldom
    if (values == 1).all():
        low = share
    elif (values == 0).all():
        high = 1 - share
    return Figure(float(values[0]), float(low), float(high))
