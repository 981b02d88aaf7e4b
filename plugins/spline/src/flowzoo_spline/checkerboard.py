"""Selects the values that a coupling layer changes."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from flowzoo.api import Shape


def moving_places(shape: Shape, parity: int) -> Int[Tensor, " moving"]:
    """Return the places, in raster order, of the values with ``(channel + row + column) % 2 == parity``.

    On this checkerboard in three dimensions, the spline of a value depends on its neighbours in space and on
    its pixel's neighbouring channels. For a single pixel, the channels are divided. A single value always
    changes.

    >>> moving_places((2, 1, 3), parity=0)
    tensor([0, 2, 4])

    Args:
        shape: ``(C, H, W)``.
        parity: 0 or 1; layers take turns.
    """
    channel, row, column = (
        torch.arange(size).reshape([-1 if axis == place else 1 for axis in range(3)])
        for place, size in enumerate(shape)
    )
    moves = (channel + row + column) % 2 == parity
    if moves.numel() == 1:
        return torch.zeros(1, dtype=torch.long)
    return moves.flatten().nonzero().squeeze(1)
