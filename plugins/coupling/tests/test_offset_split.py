"""The splits, place by place."""

from __future__ import annotations

import pytest
import torch

from flowzoo.api import ShapeError, Squeeze
from flowzoo.registry.build import build_component

IMAGE = torch.arange(32.0).reshape(1, 2, 4, 4)


def test_checkerboard_keeps_the_diagonal_of_each_block() -> None:
    kept, factored = build_component("split", "checkerboard", (2, 4, 4)).split(IMAGE)
    assert kept[0, 0].tolist() == [[0, 2], [8, 10]]
    assert kept[0, 1].tolist() == [[16, 18], [24, 26]]
    assert kept[0, 2].tolist() == [[5, 7], [13, 15]]
    assert factored[0, 0].tolist() == [[1, 3], [9, 11]]
    assert factored[0, 2].tolist() == [[4, 6], [12, 14]]


def test_channel_keeps_the_first_half_of_the_squeezed_channels() -> None:
    kept, factored = build_component("split", "channel", (2, 4, 4)).split(IMAGE)
    squeezed, _ = Squeeze()(IMAGE)
    assert torch.equal(kept, squeezed[:, :4])
    assert torch.equal(factored, squeezed[:, 4:])


@pytest.mark.parametrize("name", ["checkerboard", "channel"])
def test_odd_sizes_are_refused_by_name(name: str) -> None:
    with pytest.raises(ShapeError, match=f"{name} halves height and width, and 3x4 is odd"):
        build_component("split", name, (2, 3, 4)).shapes((2, 3, 4))
