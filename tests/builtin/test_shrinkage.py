"""The shrunk covariance against scikit-learn's, and where there is little to estimate one from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import multivariate_normal
from sklearn.covariance import OAS

from flowzoo.builtin.actnorm import SMALLEST_STD
from flowzoo.builtin.moments import Moments
from flowzoo.builtin.shrinkage import oas_share, shrink

Rows = NDArray[np.float64]


def mixed(count: int, dimensions: int) -> Rows:
    """Return rows whose dimensions are correlated."""
    mixing = np.eye(dimensions) + 0.5 * np.random.default_rng(9).normal(size=(dimensions, dimensions))
    return np.random.default_rng(0).normal(size=(count, dimensions)) @ mixing + 3.0


def shrunk(rows: Rows, batch: int = 17, given: int = 0) -> Rows:
    moments = Moments()
    for part in torch.from_numpy(rows).split(batch):
        moments.update(part)
    return np.asarray(shrink(moments, given).covariance)


def sklearns(rows: Rows) -> Rows:
    """Return scikit-learn's estimate of the standardised rows, in the rows' own units."""
    spreads = rows.std(0)
    fit = OAS(assume_centered=True).fit((rows - rows.mean(0)) / spreads)
    return np.asarray(fit.covariance_) * np.outer(spreads, spreads)


@pytest.mark.parametrize("count", [300, 40, 25])
@pytest.mark.parametrize("dimensions", [2, 12, 20])
def test_is_scikit_learns_of_the_standardised_images(count: int, dimensions: int) -> None:
    rows = mixed(count, dimensions) * np.linspace(1.0, 2.0, dimensions)
    np.testing.assert_allclose(shrunk(rows), sklearns(rows), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("count", "dimensions"), [(5, 12), (13, 12), (100, 12), (30, 2)])
def test_the_share_is_scikit_learns(count: int, dimensions: int) -> None:
    rows = mixed(count, dimensions)
    covariance = np.cov(rows.T, bias=True)
    expected = OAS().fit(rows).shrinkage_
    assert oas_share(torch.from_numpy(covariance), count) == pytest.approx(expected, rel=1e-10)


def test_noise_keeps_its_small_spread_beside_pixels_with_a_large_one() -> None:
    rng = np.random.default_rng(0)
    rows = np.hstack([rng.random((20_000, 6)), rng.random((20_000, 2)) / 256])
    # Shrunk without standardising, its variance would be more than doubled.
    assert OAS().fit(rows).covariance_[7, 7] > 2 * rows[:, 7].var()
    np.testing.assert_allclose(shrunk(rows, 1000).diagonal(), rows.var(0), rtol=1e-10)


def test_with_many_images_it_is_the_covariance_of_the_data() -> None:
    rows = mixed(20_000, 6)
    np.testing.assert_allclose(shrunk(rows, 1000), np.cov(rows.T, bias=True), rtol=1e-3)


def test_a_context_s_scale_is_not_that_of_the_image() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 6)) * [1e4, 1e4, 1e4, 1.0, 1.0, 1.0]
    variances = shrunk(rows, given=3).diagonal()
    np.testing.assert_allclose(variances, rows.var(0), rtol=1e-10)


def test_a_pixel_that_is_dark_in_few_images_may_be_lit_in_the_next() -> None:
    rows = np.random.default_rng(0).random((9, 5))
    rows[:, 0] = 0.0
    spread = shrunk(rows)[0, 0]
    # Rule of succession: of ten, one.
    assert spread == pytest.approx((rows.var(0).mean() + rows.mean(0).var()) / 10 / (1 + 9 / 5))


def images(kind: str) -> Rows:
    rng = np.random.default_rng(0)
    one = rng.random((1, 30))
    return {
        "one": one,
        "two": rng.random((2, 30)),
        "two that are equal": np.repeat(one, 2, axis=0),
        "a hundred that are equal": np.repeat(one, 100, axis=0),
        "all black": np.zeros((50, 30)),
        "one black": np.zeros((1, 30)),
        "half of the pixels black": rng.random((10, 30)) * (np.arange(30) < 15),
        "every pixel twice": np.tile(rng.random((40, 15)), 2),
        "one of a hundred lit": np.eye(100, 30),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "one",
        "two",
        "two that are equal",
        "a hundred that are equal",
        "all black",
        "one black",
        "half of the pixels black",
        "every pixel twice",
        "one of a hundred lit",
    ],
)
def test_a_density_however_little_there_is_to_fit_it_to(kind: str) -> None:
    rows = images(kind)
    covariance = shrunk(rows)
    assert np.isfinite(covariance).all()
    assert np.linalg.eigvalsh(covariance).min() > 0
    bits = -multivariate_normal(rows.mean(0), covariance).logpdf(rows).mean() / 30 / np.log(2)
    assert np.isfinite(bits)
    other = np.random.default_rng(1).random((20, 30))
    if kind in ("one", "two", "two that are equal", "every pixel twice"):
        # A unit cube's uniform density has 0 bits a dimension; unlike images cost more, but within reason.
        cost = -multivariate_normal(rows.mean(0), covariance).logpdf(other).mean() / 30 / np.log(2)
        assert cost < 10


def test_data_without_any_spread_get_the_smallest() -> None:
    np.testing.assert_allclose(shrunk(np.zeros((7, 4))), SMALLEST_STD**2 * np.eye(4))
