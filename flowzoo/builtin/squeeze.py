"""Squeeze: 2x2 blocks to channels."""

from __future__ import annotations

from typing import final

from flowzoo.builtin.blocks import block_shape, require_bands
from flowzoo.builtin.log_det import constant_log_det
from flowzoo.call import EVALUATION, Call
from flowzoo.component import Builder
from flowzoo.shapes import Images, PerImage, Shape, as_shape, require_even
from flowzoo.traits import TransformTraits
from flowzoo.transform import ResolutionTransform


@final
class Squeeze(ResolutionTransform):
    """Moves each 2x2 block into channels: ``(C, H, W)`` to ``(4C, H/2, W/2)``, ``log_det = 0``.

    Offset-major: ``y[o * C + c, i, j] = x[c, 2i + o // 2, 2j + o % 2]``. Torch's ``pixel_unshuffle`` is
    colour-major: the first half of its channels would hold all of the red and half of the green.

    References:
        Dinh et al., Density Estimation Using Real NVP, 2017, section 3.6.

    >>> import torch
    >>> Squeeze()(torch.arange(4.0).reshape(1, 1, 2, 2))[0].flatten()
    tensor([0., 1., 2., 3.])
    """

    traits = TransformTraits(permutes=True)

    def forward(self, x: Images, call: Call = EVALUATION) -> tuple[Images, PerImage]:
        return self.squeeze(x), constant_log_det(x, 0.0)

    def inverse(self, y: Images, call: Call = EVALUATION) -> Images:
        require_bands(y, "squeeze")
        blocks = y.unflatten(1, (2, 2, -1)).permute(0, 3, 4, 1, 5, 2)
        x: Images = blocks.flatten(4).flatten(2, 3)
        return x

    def squeeze(self, x: Images) -> Images:
        """Return ``y`` alone."""
        require_even(as_shape(x.shape[1:]), "squeeze")
        blocks = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
        y: Images = blocks.permute(0, 3, 5, 1, 2, 4).flatten(1, 3)
        return y

    def output_shape(self, shape: Shape) -> Shape:
        return block_shape(shape, "squeeze")


def build_squeeze(shape: Shape, builder: Builder) -> Squeeze:
    """Build :class:`Squeeze`."""
    return Squeeze()
