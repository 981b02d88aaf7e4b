"""Says in words whether a Gaussian floor is a weak one, from figures alone, so that reports need no model."""

from __future__ import annotations

import math
from collections.abc import Iterator

ENOUGH = 2
"""Training images for each dimension. A floor that is fitted to fewer is weak."""


def remarks_on_floor(bits_per_dim: float, images: int, dimensions: int, bins: int) -> Iterator[str]:
    """Yield what makes a floor weak; nothing if it is sound.

    >>> list(remarks_on_floor(5.5, 243, 3072, 256))
    ['a weak floor: it was fitted to only 243 images of 3,072 dimensions']
    >>> list(remarks_on_floor(2.3, 1350, 64, 17))
    []

    Args:
        bits_per_dim: Bits/dim of the floor.
        images: Number of images to which it was fitted.
        dimensions: Number of dimensions of an image.
        bins: ``M``, integers that a value can take; guessing uniformly costs ``log2 M``.
    """
    if images < ENOUGH * dimensions:
        counted = "1 image" if images == 1 else f"{images:,} images"
        yield f"a weak floor: it was fitted to only {counted} of {dimensions:,} dimensions"
    if bins > 1 and bits_per_dim >= math.log2(bins):
        yield f"worse than uniform noise, which has {math.log2(bins):.3f}"
