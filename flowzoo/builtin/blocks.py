"""Images as 2x2 blocks, and back."""

from __future__ import annotations

import torch
from torch.nn.functional import pixel_shuffle

from flowzoo.errors import ShapeError
from flowzoo.shapes import Images, Shape, as_shape, require_even

Bands = tuple[Images, Images, Images, Images]
"""Four images ``(B, C, H/2, W/2)``: one value of each 2x2 block each."""


def block_shape(shape: Shape, asked_by: str) -> Shape:
    """Return ``(4C, H/2, W/2)``, the shape of the four bands side by side.

    Raises:
        ShapeError: The height or the width is odd.
    """
    require_even(shape, asked_by)
    channels, height, width = shape
    return 4 * channels, height // 2, width // 2


def to_blocks(x: Images, asked_by: str) -> Bands:
    """Return the pixels of every 2x2 block in raster order, as views of ``x``, ``(B, C, H, W)``.

    Raises:
        ShapeError: The height or the width is odd.
    """
    require_even(as_shape(x.shape[1:]), asked_by)
    # The gradients of unbind are put together in one copy, while each slice would make an image of zeros.
    top, bottom = x.unflatten(-2, (-1, 2)).unbind(-2)
    x1, x2 = top.unflatten(-1, (-1, 2)).unbind(-1)
    x3, x4 = bottom.unflatten(-1, (-1, 2)).unbind(-1)
    return x1, x2, x3, x4


def from_blocks(bands: Bands) -> Images:
    """Undo :func:`to_blocks`.

    >>> x = torch.arange(16.0).reshape(1, 1, 4, 4)
    >>> bool((from_blocks(to_blocks(x, "the example")) == x).all())
    True
    """
    # pixel_shuffle wants the four values of a block in neighbouring channels: colour-major.
    return pixel_shuffle(torch.stack(bands, dim=2).flatten(1, 2), 2)


def to_bands(y: Images, asked_by: str) -> Bands:
    """Divide the channels of ``y``, ``(B, 4C, H/2, W/2)``, into its four bands.

    Raises:
        ShapeError: The number of channels is not a multiple of 4.
    """
    require_bands(y, asked_by)
    first, second, third, fourth = y.chunk(4, dim=1)
    return first, second, third, fourth


def require_bands(y: Images, asked_by: str) -> None:
    """Refuse images whose channels are not four bands; errors as in :func:`to_bands`."""
    if y.shape[1] % 4:
        raise ShapeError(
            f"{asked_by} joins 4 channels to one 2x2 block, so their number must be a multiple of 4; "
            f"got {y.shape[1]}"
        )
