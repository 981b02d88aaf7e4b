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
        low: Lower end of the 95 % interval: a percentile over resamples of both sets of images. None where
            a set has fewer than :data:`FEWEST` scores.
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
        Out-of-Distribution Examples in Neural Networks", 2017. Intervals: Efron's percentile bootstrap.
    """
    generator = np.random.default_rng(seed)
    weights = np.concatenate(
        [np.ones((1, len(own) + len(other))), _resampled(generator, len(own), len(other), resamples)]
    )
    found = _figures(np.concatenate([own, other]), len(own), weights)
    if min(len(own), len(other)) < FEWEST:
        return Separation(*(Figure(float(each[0]), None, None) for each in found))
    return Separation(*(_with_interval(each) for each in found))


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


def _with_interval(values: Values) -> Figure:
    low, high = np.quantile(values[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Figure(float(values[0]), float(low), float(high))
