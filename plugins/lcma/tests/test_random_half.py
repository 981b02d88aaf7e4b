"""The random split."""

from __future__ import annotations

import pytest
import torch

from flowzoo.api import ShapeError
from flowzoo_lcma.random_half import RandomHalf

SHAPE = (3, 4, 4)


def test_the_seed_decides_the_permutation() -> None:
    first, again, other = RandomHalf(SHAPE, 1), RandomHalf(SHAPE, 1), RandomHalf(SHAPE, 2)

    assert torch.equal(first.order, again.order)
    assert not torch.equal(first.order, other.order)


def test_half_of_the_values_go_on_from_anywhere() -> None:
    split = RandomHalf(SHAPE)
    y = torch.arange(48.0).reshape(1, *SHAPE)

    kept, factored = split.split(y)

    assert kept.shape == factored.shape == (1, 6, 2, 2)
    assert sorted(torch.cat([kept, factored]).flatten().tolist()) == list(range(48))
    rows = {int(value) // 4 for value in kept.flatten()}
    assert len(rows) > 6  # of 12: a block-wise or channel-wise half would have fewer
    assert torch.equal(split.merge(kept, factored), y)


def test_odd_sizes_are_refused() -> None:
    with pytest.raises(ShapeError, match="is odd"):
        RandomHalf((1, 4, 3))
