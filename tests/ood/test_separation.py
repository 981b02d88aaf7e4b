"""AUROC, AUPR and FPR@95 beside scikit-learn's, and how often their intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from flowzoo.ood.separation import Values, separation


def drawn(seed: int, own: int = 60, other: int = 40, shift: float = 1.0) -> tuple[Values, Values]:
    generator = np.random.default_rng(seed)
    return generator.normal(shift, 1, own), generator.normal(0, 1, other)


@pytest.mark.parametrize("decimals", [8, 0])  # the second makes ties
def test_figures_are_those_of_scikit_learn(decimals: int) -> None:
    own, other = (each.round(decimals) for each in drawn(3))
    labels, scores = np.repeat([1, 0], [60, 40]), np.concatenate([own, other])
    found = separation(own, other)
    assert found.auroc.value == pytest.approx(roc_auc_score(labels, scores))
    assert found.aupr.value == pytest.approx(average_precision_score(labels, scores))
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert found.fpr95.value == pytest.approx(false[true >= 0.95].min())


def test_what_is_apart_and_what_is_equal() -> None:
    apart = separation(np.arange(5.0, 9.0), np.arange(3.0))
    assert (apart.auroc.value, apart.aupr.value, apart.fpr95.value) == (1.0, 1.0, 0.0)
    equal = separation(np.zeros(3), np.zeros(6))
    assert (equal.auroc.value, equal.fpr95.value) == (0.5, 1.0)
    assert equal.aupr.value == pytest.approx(1 / 3)


def test_without_a_mistake_the_interval_is_that_of_a_share_of_all_trials() -> None:
    found = separation(np.arange(100.0, 130.0), np.arange(20.0))
    exact = binomtest(20, 20).proportion_ci(0.95, "exact")
    assert (found.auroc.low, found.auroc.high) == pytest.approx((exact.low, 1))
    assert (found.fpr95.low, found.fpr95.high) == pytest.approx((0, 1 - exact.low))
    assert (found.aupr.value, found.aupr.low) == (1, None)
    reverse = separation(np.arange(20.0), np.arange(100.0, 130.0))
    assert (reverse.auroc.low, reverse.auroc.high) == pytest.approx((0, 1 - exact.low))
    assert reverse.fpr95.low == pytest.approx(binomtest(30, 30).proportion_ci(0.95, "exact").low)


def test_a_few_scores_give_no_interval() -> None:
    for own, other in ((1, 1), (9, 40), (40, 9)):
        assert separation(*drawn(0, own, other)).auroc.low is None
    assert separation(*drawn(0, 10, 10)).auroc.low is not None


def test_scores_without_a_finite_value_come_last() -> None:
    own, other = np.array([-1.0, -2.0]), np.array([-np.inf, -np.inf, -1.5])
    assert separation(own, other).auroc.value == pytest.approx(5 / 6)


def test_intervals_of_95_percent_hold_the_truth_as_often() -> None:
    truth = norm.cdf(1 / np.sqrt(2))  # the difference of the two normals is positive
    found = [separation(*drawn(seed), seed=seed, resamples=300).auroc for seed in range(200)]
    assert 0.89 <= np.mean([each.low <= truth <= each.high for each in found]) <= 0.98
