import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flowzoo.builtin.moments import Moments


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 39), unique=True, max_size=6).map(sorted), offset=st.floats(-1e6, 1e6))
def test_batches_in_any_partition_give_numpys_moments(cuts: list[int], offset: float) -> None:
    rows = (
        np.random.default_rng(0).normal(size=(40, 3)) @ np.array([[2, 1, 0], [0, 1, 1], [0, 0, 0.5]]) + offset
    )
    moments = Moments()

    for batch in np.split(rows, cuts):
        moments.update(torch.from_numpy(batch))

    np.testing.assert_allclose(moments.mean, rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(rows.T, bias=True), rtol=1e-7)


def test_float32_batches_are_summed_in_float64() -> None:
    rows = 4096.0 + torch.rand(1000, 2, generator=torch.Generator().manual_seed(0))
    moments = Moments()

    for batch in rows.split(10):
        moments.update(batch)

    np.testing.assert_allclose(moments.covariance, np.cov(rows.double().numpy().T, bias=True), rtol=1e-10)


def test_rows_may_change_after_they_were_added() -> None:
    rows = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    moments, given = Moments(), rows.clone()

    moments.update(given)
    given.zero_()

    np.testing.assert_allclose(moments.mean, rows.mean(0))


def test_moments_have_no_gradient() -> None:
    moments = Moments()

    moments.update(torch.ones(2, 5, dtype=torch.float64, requires_grad=True))

    assert not moments.mean.requires_grad
