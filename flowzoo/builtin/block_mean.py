"""The 2x2 block transforms whose coarse image is a mean."""

from __future__ import annotations

import math
from typing import final

import torch

from flowzoo.builtin.blocks import block_shape, from_blocks, to_bands, to_blocks
from flowzoo.builtin.log_det import constant_log_det
from flowzoo.call import EVALUATION, Call
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.transform import ResolutionTransform


@final
class BlockMean(ResolutionTransform):
    """The mean of each 2x2 block, and three signed sums of it times a factor ``k``.

    For a block ``(x1 x2; x3 x4)``::

        coarse  = (x1 + x2 + x3 + x4) / 4
        details = k (x1 + x2 - x3 - x4),  k (x1 - x2 + x3 - x4),  k (x1 - x2 - x3 + x4)
        log_det = N log(4 k^3)            with N coarse values

    ``k = 1/2`` is the Haar wavelet, ``-N log 2``; ``k = 2^(-2/3)`` preserves volume. The bands follow one
    another in the channels, coarse first: ``(C, H, W)`` to ``(4C, H/2, W/2)``.

    Args:
        detail_scale: ``k``, greater than 0.
        name: What to call the transform in errors.
    """

    def __init__(self, detail_scale: float, name: str = "a 2x2 block transform") -> None:
        super().__init__()
        assert detail_scale > 0.0, "a zero or negative scale has no inverse or flips the details"
        self.detail_scale = detail_scale
        self.name = name

    def extra_repr(self) -> str:
        return f"detail_scale={self.detail_scale:g}"

    def forward(self, x: Images, call: Call = EVALUATION) -> tuple[Images, PerImage]:
        x1, x2, x3, x4 = to_blocks(x, self.name)
        top, bottom = x1 + x2, x3 + x4
        top_step, bottom_step = x1 - x2, x3 - x4
        details = [top - bottom, top_step + bottom_step, top_step - bottom_step]
        y = torch.cat([(top + bottom) / 4, *(self.detail_scale * detail for detail in details)], dim=1)
        coarse_values = y.shape[1:].numel() // 4
        return y, constant_log_det(x, coarse_values * math.log(4.0 * self.detail_scale**3))

    def inverse(self, y: Images, call: Call = EVALUATION) -> Images:
        mean, *details = to_bands(y, self.name)
        vertical, horizontal, diagonal = (detail / (4.0 * self.detail_scale) for detail in details)
        top, bottom = mean + vertical, mean - vertical
        top_step, bottom_step = horizontal + diagonal, horizontal - diagonal
        return from_blocks((top + top_step, top - top_step, bottom + bottom_step, bottom - bottom_step))

    def output_shape(self, shape: Shape) -> Shape:
        return block_shape(shape, self.name)
