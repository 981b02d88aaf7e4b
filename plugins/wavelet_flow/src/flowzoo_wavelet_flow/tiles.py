"""Cuts an image into tiles, each with a halo around it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Integer
from torch import Tensor

from flowzoo_wavelet_flow.reach import Reach

Places = Integer[Tensor, "batch places"]
"""Places of the rows or columns in each image's window."""


@dataclass(frozen=True)
class Axis:
    """The tiles along height or width: parts of ``[0, length)`` that follow one another without a gap.

    A tile lies in a window that is wider by a halo on both sides, as far as the image goes. All windows
    have the same length, and begin at places to which the bijector can be shifted.

    Attributes:
        length: Length of the image.
        tile: Length of a tile; the last may be shorter.
        halo: Width of the halo.
        window: Length of a window.
    """

    length: int
    tile: int
    halo: int
    window: int

    @property
    def count(self) -> int:
        """Number of tiles."""
        return math.ceil(self.length / self.tile)

    def windows(self) -> Iterator[tuple[slice, slice, slice]]:
        """Yield the window of each tile, the tile's place in the image, and its place in the window."""
        for start in range(0, self.length, self.tile):
            first = min(max(start - self.halo, 0), self.length - self.window)
            stop = min(start + self.tile, self.length)
            yield slice(first, first + self.window), slice(start, stop), slice(start - first, stop - first)

    def places(self, chosen: Integer[Tensor, " batch"]) -> tuple[Places, Bool[Tensor, "batch places"]]:
        """Return where each image's window lies, and which of its places belong to the chosen tile."""
        start = chosen[:, None] * self.tile
        first = (start - self.halo).clamp(0, self.length - self.window)
        places = first + torch.arange(self.window, device=chosen.device)
        return places, (places >= start) & (places < start + self.tile)


def whole(length: int) -> Axis:
    """Return an axis that is not cut."""
    return Axis(length, length, 0, length)


def cut(length: int, size: int, reach: Reach) -> Axis:
    """Cut an axis into tiles of equal length, at most ``size``. Keep it whole if cutting saves nothing.

    Args:
        length: Length of the image.
        size: Largest length of a tile; rounded down to a multiple of the step, but never to 0.
        reach: The width of the halo, and the places where tiles may begin.
    """
    most = max(reach.step, size - size % reach.step)
    tile = reach.aligned(math.ceil(length / math.ceil(length / most)))
    halo = reach.aligned(reach.halo)
    window = tile + 2 * halo
    window += (length - window) % reach.step
    return whole(length) if window >= length else Axis(length, tile, halo, window)
