import copy

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import multivariate_normal
from sklearn.covariance import OAS

from flowzoo.bijector import standard_normal_log_prob
from flowzoo.builtin.gaussian import Gaussian
from flowzoo.builtin.moments import Moments
from flowzoo.call import Call, Ledger
from flowzoo.errors import NotInitialisedError, NumericalError, ShapeError

SHAPE = (2, 2, 2)


def data(count: int = 100, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    rows = torch.randn(count, 8, dtype=torch.float64, generator=generator) @ mixing + 3.0
    return rows.reshape(count, *SHAPE)


def fitted(x: torch.Tensor) -> Gaussian:
    gaussian = Gaussian(SHAPE).double()
    for batch in x.split(17):
        ledger = Ledger()
        gaussian(batch, None, Call(mode="initialise", ledger=ledger))
        assert ledger.wants_more
    return gaussian


def covariance_of(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scikit-learn's estimate, of the standardised rows, in their own units."""
    spreads = rows.std(0)
    fit = OAS(assume_centered=True).fit((rows - rows.mean(0)) / spreads)
    return np.asarray(fit.covariance_) * np.outer(spreads, spreads)


def test_is_scipys_normal_with_the_moments_of_all_batches() -> None:
    x = data()
    rows = x.flatten(1).numpy()
    expected = multivariate_normal(rows.mean(0), covariance_of(rows)).logpdf(rows)

    z, log_det = fitted(x)(x)

    np.testing.assert_allclose(standard_normal_log_prob(z) + log_det, expected, rtol=1e-9)


def test_whitens_images_of_the_covariance_that_was_fitted() -> None:
    gaussian = fitted(data())
    normal = torch.randn(100, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    x = gaussian.inverse(normal.reshape(100, *SHAPE))

    covariance = covariance_of(data().flatten(1).numpy())
    spread = np.linalg.cholesky(covariance)
    np.testing.assert_allclose(x.flatten(1), normal.numpy() @ spread.T + gaussian.mean.numpy(), rtol=1e-9)
    torch.testing.assert_close(gaussian(x)[0].flatten(1), normal)


def test_constant_and_equal_pixels_are_taken() -> None:
    x = data()
    x[:, 0, 0, 0] = 0.5
    x[:, 0, 0, 1] = x[:, 1, 0, 0]
    gaussian = fitted(x)

    z, log_det = gaussian(x)

    assert bool(log_det.isfinite().all())
    torch.testing.assert_close(gaussian.inverse(z), x)


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_too_few_images_for_their_dimensions_give_a_density_that_takes_others(count: int) -> None:
    gaussian = fitted(data(count))

    z, log_det = gaussian(data(200, seed=1))

    few = float((standard_normal_log_prob(z) + log_det).mean())
    z, log_det = fitted(data(2000))(data(200, seed=1))
    many = float((standard_normal_log_prob(z) + log_det).mean())
    assert many - 25 < few < many


def test_images_without_any_spread_are_taken() -> None:
    x = torch.zeros(5, *SHAPE, dtype=torch.float64)
    gaussian = fitted(x)

    z, log_det = gaussian(x)

    assert bool((standard_normal_log_prob(z) + log_det).isfinite().all())
    torch.testing.assert_close(gaussian.inverse(z), x)


def test_use_before_the_fit_is_refused() -> None:
    for call in (Gaussian(SHAPE).double(), Gaussian(SHAPE).double().inverse):
        with pytest.raises(NotInitialisedError, match="gaussian"):
            call(data())


@pytest.mark.parametrize("load", [True, False])
def test_the_first_use_or_loading_closes_the_fit(load: bool) -> None:
    gaussian = fitted(data())
    expected = gaussian(data())[0]
    if load:
        state, gaussian = gaussian.state_dict(), Gaussian(SHAPE).double()
        gaussian.load_state_dict(state)
    ledger = Ledger()

    gaussian(data(seed=1) + 10.0, None, Call(mode="initialise", ledger=ledger))

    assert not ledger.wants_more
    assert torch.equal(gaussian(data())[0], expected)


def test_data_that_are_not_finite_are_refused() -> None:
    x = data()
    x[3, 0, 0, 0] = torch.nan

    with pytest.raises(NumericalError, match="NaN"):
        fitted(x)


def test_given_a_context_is_scipys_conditional_normal() -> None:
    context, x = data().split([1, 1], dim=1)
    gaussian = Gaussian((1, 2, 2), (1, 2, 2)).double()
    gaussian(x, context, Call(mode="initialise"))
    both = np.hstack([context.flatten(1).numpy(), x.flatten(1).numpy()])
    mean, covariance = both.mean(0), covariance_of(both)
    expected = multivariate_normal(mean, covariance).logpdf(both)
    expected -= multivariate_normal(mean[:4], covariance[:4, :4]).logpdf(both[:, :4])

    z, log_det = gaussian(x, context)

    np.testing.assert_allclose(standard_normal_log_prob(z) + log_det, expected, rtol=1e-9)


def test_a_context_of_another_size_is_refused() -> None:
    gaussian = Gaussian((1, 2, 2), (1, 2, 2))

    with pytest.raises(ShapeError, match="gaussian"):
        gaussian(torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2, 2))


def test_a_fit_leaves_nothing_on_the_module_and_goes_on_where_it_was_begun() -> None:
    expected, gaussian = fitted(data()), Gaussian(SHAPE).double()
    for batch in data().split(17):
        gaussian(batch, None, Call(mode="initialise"))
        copied = copy.deepcopy(gaussian)
        copied(batch + 10.0, None, Call(mode="initialise"))  # a copy's fit is closed

    assert torch.equal(gaussian.factor, expected.factor)
    assert torch.equal(copied.factor, expected.factor)
    assert not any(isinstance(value, torch.Tensor | Moments) for value in vars(gaussian).values())


def test_images_whose_covariance_would_fill_the_memory_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"49,152 it takes 19 GB\. Use it with at most 16,384 values"):
        Gaussian((3, 128, 128))
    with pytest.raises(ShapeError, match="at most"):
        Gaussian((3, 64, 64), (3, 64, 64))
