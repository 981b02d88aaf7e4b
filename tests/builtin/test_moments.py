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
