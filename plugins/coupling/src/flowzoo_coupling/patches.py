"""Images cut into patches, and the orders in which a flow goes through them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from flowzoo.api import Images, Shape, ShapeError

Order = Literal["raster", "raster-reversed", "columns", "columns-reversed"]

ORDERS: Mapping[Order, Callable[[Tensor], Tensor]] = {
    "raster": lambda grid: grid,
    "raster-reversed": lambda grid: grid.flip(0, 1),
    "columns": lambda grid: grid.T,
    "columns-reversed": lambda grid: grid.T.flip(0, 1),
}
"""How each order arranges the grid of patches before it is read row by row."""

MOST_PATCHES = 64
"""Largest number of patches of which a size is chosen by itself; attention takes the square of it."""

Patches = Float[Tensor, "batch _ _"]
"""Patches of images and their values, ``(B, patches, values)``."""


class PatchGrid(NamedTuple):
    """Square patches of images of one shape.

    Attributes:
        shape: ``(C, H, W)`` of the images.
        side: Side of a patch in pixels, which divides height and width.

    >>> grid = PatchGrid((3, 8, 4), side=2)
    >>> grid.patches, grid.values
    (8, 12)
    """

    shape: Shape
    side: int

    @property
    def rows(self) -> int:
        return self.shape[1] // self.side

    @property
    def columns(self) -> int:
        return self.shape[2] // self.side

    @property
    def patches(self) -> int:
        """Number of patches of an image."""
        return self.rows * self.columns

    @property
    def values(self) -> int:
        """Number of values of a patch."""
        return self.shape[0] * self.side**2

    def cut(self, x: Images) -> Patches:
        """Return the patches of images.

        Raises:
            ShapeError: The images have another shape.
        """
        if tuple(x.shape[1:]) != self.shape:
            raise ShapeError(
                f"tarflow was built for images of shape {self.shape} and got {tuple(x.shape[1:])}. "
                "Its positions belong to one shape: build it for this one"
            )
        return F.pixel_unshuffle(x, self.side).flatten(2).mT

    def paste(self, patches: Patches) -> Images:
        """Undo :meth:`cut`."""
        return F.pixel_shuffle(patches.mT.unflatten(2, (self.rows, self.columns)), self.side)

    def places(self, order: Order) -> Tensor:
        """Return the patches' numbers, counted row by row, in an order; ``(patches,)``."""
        numbers = torch.arange(self.patches).reshape(self.rows, self.columns)
        return ORDERS[order](numbers).flatten()


def patch_grid(shape: Shape, side: int | None) -> PatchGrid:
    """Return the patches of images of a shape.

    Args:
        shape: ``(C, H, W)`` of the images.
        side: Side of a patch; None for the smallest that leaves at most :data:`MOST_PATCHES`.

    Raises:
        ShapeError: Height or width is no multiple of the side.
    """
    _, height, width = shape
    if side is None:
        common = math.gcd(height, width)
        # A single patch would leave nothing for any value to depend on.
        sides = [
            side for side in range(1, common + 1) if common % side == 0 and height * width > side**2
        ] or [1]
        side = next((each for each in sides if height * width <= MOST_PATCHES * each**2), sides[-1])
    if height % side or width % side:
        raise ShapeError(
            f"tarflow cannot cut {height}x{width} pixels into patches of {side}x{side}. "
            "Choose a patch_size that divides height and width"
        )
    return PatchGrid(shape, side)
