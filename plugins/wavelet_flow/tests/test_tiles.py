"""Tiles part an axis: every place lies in one of them, with its halo around it."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from flowzoo_wavelet_flow.reach import Reach
from flowzoo_wavelet_flow.tiles import cut


@given(st.integers(1, 70), st.integers(1, 40), st.integers(0, 20), st.sampled_from([2, 4, 8]))
def test_tiles_part_the_axis_and_keep_their_halo(length: int, size: int, halo: int, step: int) -> None:
    axis = cut(length, size, Reach(halo, step))
    places, inside = axis.places(torch.arange(axis.count))
    covered = torch.cat([row[kept] for row, kept in zip(places, inside, strict=True)])
    assert covered.tolist() == list(range(length))
    assert bool((places[:, 0] % step == 0).all())
    assert (length - axis.window) % step == 0
    if axis.count > 1:
        assert axis.window < length
        assert axis.tile <= max(size, step)
    for row, kept in zip(places.tolist(), inside.tolist(), strict=True):
        tile = [place for place, keep in zip(row, kept, strict=True) if keep]
        assert tile[0] - row[0] >= halo or row[0] == 0
        assert row[-1] - tile[-1] >= halo or row[-1] == length - 1
