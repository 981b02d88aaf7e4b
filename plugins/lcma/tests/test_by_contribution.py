"""The split by contribution against a plain loop over blocks, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flowzoo.api import NotInitialisedError, ShapeError
from flowzoo_lcma.by_contribution import ByContribution
from flowzoo_lcma.squeeze_all import SqueezeAll

SHAPE = (2, 4, 6)


def images() -> torch.Tensor:
    return torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def scores() -> torch.Tensor:
    return torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def by_loop(x: np.ndarray, score: np.ndarray, sign: int) -> np.ndarray:
    """Return the four ranks of each block, ``(4, B, C, H/2, W/2)``."""
    batch, channels, height, width = x.shape
    ranks = np.empty((4, batch, channels, height // 2, width // 2))
    for c in range(channels):
        for i in range(height // 2):
            for j in range(width // 2):
                block = [(2 * i, 2 * j), (2 * i, 2 * j + 1), (2 * i + 1, 2 * j), (2 * i + 1, 2 * j + 1)]
                block.sort(key=lambda pixel: sign * score[c, pixel[0], pixel[1]])
                for rank, (row, column) in enumerate(block):
                    ranks[rank, :, c, i, j] = x[:, c, row, column]
    return ranks


@pytest.mark.parametrize(("keep_highest", "sign"), [(True, -1), (False, 1)])
def test_blocks_are_ranked_as_by_a_loop(keep_highest: bool, sign: int) -> None:
    split = ByContribution(SHAPE, keep_highest).double()
    split.fit(scores())

    kept, factored = split.split(images())

    ranks = by_loop(images().numpy(), scores()[0].numpy(), sign)
    np.testing.assert_array_equal(kept, np.concatenate([ranks[0], ranks[1]], axis=1))
    np.testing.assert_array_equal(factored, np.concatenate([ranks[2], ranks[3]], axis=1))


@pytest.mark.parametrize("keep_highest", [True, False])
def test_ties_go_by_raster_order(keep_highest: bool) -> None:
    split = ByContribution((1, 2, 2), keep_highest)
    split.fit(torch.full((1, 1, 2, 2), 0.5))

    kept, factored = split.split(torch.arange(4.0).reshape(1, 1, 2, 2))

    assert kept.flatten().tolist() == [0.0, 1.0]
    assert factored.flatten().tolist() == [2.0, 3.0]


def test_decision_and_scores_are_saved() -> None:
    fitted, loaded = ByContribution(SHAPE), ByContribution(SHAPE)
    fitted.fit(scores().float())

    loaded.load_state_dict(fitted.state_dict())

    x = images().float()
    assert torch.equal(loaded.split(x)[0], fitted.split(x)[0])
    assert torch.equal(loaded.scores, scores()[0].float())


def test_use_before_the_decision_is_refused() -> None:
    split = ByContribution(SHAPE)

    with pytest.raises(NotInitialisedError, match=r"(?i)train the model"):
        split.split(images())
    with pytest.raises(NotInitialisedError):
        split.merge(torch.zeros(1, 4, 2, 3), torch.zeros(1, 4, 2, 3))


def test_odd_sizes_are_refused() -> None:
    with pytest.raises(ShapeError, match="is odd"):
        ByContribution((1, 3, 4))


def test_the_stand_in_keeps_everything() -> None:
    split = SqueezeAll()

    kept, factored = split.split(images())

    assert kept.shape == (3, 8, 2, 3)
    assert factored.shape == (3, 0, 2, 3)
    assert split.shapes(SHAPE) == ((8, 2, 3), (0, 2, 3))
    assert torch.equal(split.merge(kept, factored), images())
