"""Array shapes, as type aliases that the tests check at run time, and checks on image shapes.

``batch`` is bound within one call: a function that takes :data:`Images` and returns :data:`PerImage` must
give one value for each image that it got.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsIndex

from jaxtyping import Float, Integer
from torch import Tensor

from flowzoo.errors import DataError, ShapeError
from flowzoo.integers import as_integer

Shape = tuple[int, int, int]
"""``(channels, height, width)`` of one image."""

Images = Float[Tensor, "batch _ _ _"]
"""A batch of images, details, contexts or latents, ``(B, C, H, W)``, in model space."""

IntegerImages = Integer[Tensor, "batch _ _ _"]
"""A batch of images as they are stored: integers in ``{0, ..., bins - 1}``."""

PerImage = Float[Tensor, " batch"]
"""One number for each image, ``(B,)``: a log-density, a log-determinant, a loss; in nats."""


def as_shape(shape: Iterable[SupportsIndex], fewest_channels: int = 1) -> Shape:
    """Return ``shape`` as ``(channels, height, width)``, integers of Python's own.

    >>> import numpy as np
    >>> as_shape(np.array([3, 8, 8]))
    (3, 8, 8)

    Args:
        shape: Shape of an image: a tuple, a list, a ``torch.Size`` or an array, of integers of any library.
        fewest_channels: 0 if the image may be empty, as the factored one is if a split keeps everything.

    Raises:
        ShapeError: It is not three positive integers.
    """
    given = tuple(shape)
    sizes = [as_integer(size) for size in given]
    least = (fewest_channels, 1, 1)
    if len(sizes) != 3 or not all(
        size is not None and size >= at_least for size, at_least in zip(sizes, least, strict=True)
    ):
        raise ShapeError(f"an image shape is (channels, height, width), three positive integers; got {given}")
    channels, height, width = (size for size in sizes if size is not None)
    return channels, height, width


def require_tensor(images: object) -> None:
    """Refuse images that are no tensor, such as an array of NumPy.

    Raises:
        DataError: They are something else.
    """
    if not isinstance(images, Tensor):
        raise DataError(
            f"the images are a {type(images).__name__}. Give a tensor; torch.from_numpy makes one of an array"
        )


def require_even(shape: Shape, asked_by: str) -> None:
    """Refuse a shape whose height or width cannot be halved.

    Raises:
        ShapeError: The height or the width is odd.
    """
    _, height, width = shape
    if height % 2 or width % 2:
        raise ShapeError(
            f"{asked_by} halves height and width, and {height}x{width} is odd; "
            "use fewer levels, or pad the images to a multiple of 2**(levels - 1)"
        )
