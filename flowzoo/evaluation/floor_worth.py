"""What a Gaussian floor is worth, in words; of figures alone, so that reports need no model for it."""

from __future__ import annotations

import math
from collections.abc import Iterator

ENOUGH = 2
"""Training images for each dimension; fitted to fewer, a floor is weak."""


def remarks_on_floor(bits_per_dim: float, images: int, dimensions: int, bins: int) -> Iterator[str]:
    """Yield what makes a floor worth little; nothing if it is sound.

    >>> list(remarks_on_floor(5.5, 243, 3072, 256))
    ['a weak floor: it was fitted to only 243 images of 3,072 dimensions']
    >>> list(remarks_on_floor(2.3, 1350, 64, 17))
    []

    Args:
        bits_per_dim: What it reaches.
        images: To how many it was fitted.
        dimensions: Of an image.
        bins: ``M``, integers that a value can take; guessing uniformly costs ``log2 M``.
    """
    if images < ENOUGH * dimensions:
        counted = "1 image" if images == 1 else f"{images:,} images"
        yield f"a weak floor: it was fitted to only {counted} of {dimensions:,} dimensions"
    if bins > 1 and bits_per_dim >= math.log2(bins):
        yield f"worse than uniform noise, which has {math.log2(bins):.3f}"
