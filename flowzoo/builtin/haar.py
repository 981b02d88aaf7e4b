"""The Haar wavelet."""

from __future__ import annotations

from flowzoo.builtin.block_mean import BlockMean
from flowzoo.component import Builder
from flowzoo.shapes import Shape

DETAIL_SCALE = 0.5
"""As in the orthonormal wavelet; its low-pass band is twice the mean, so ``log_det = -N log 2`` here."""


def build_haar(shape: Shape, builder: Builder) -> BlockMean:
    """Build the Haar wavelet with a mean as coarse image."""
    return BlockMean(DETAIL_SCALE, name="haar")
