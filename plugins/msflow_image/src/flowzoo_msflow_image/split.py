"""The split of a pyramid."""

from __future__ import annotations

from typing import final

import torch

from flowzoo.api import EVALUATION, Builder, Call, Images, Shape, ShapeError, SplitPolicy, Squeeze


@final
class PyramidSplit(SplitPolicy):
    """Keeps the coarse image in front, ``(C, H/2, W/2)``, and factors out the fine one, ``(C, H, W)``.

    Kept and factored values have different resolutions. The split only moves values.
    """

    def __init__(self) -> None:
        super().__init__()
        self._squeeze = Squeeze()

    def split(self, y: Images, call: Call = EVALUATION) -> tuple[Images, Images]:
        coarse = y.shape[1] // 5
        return y[:, :coarse], self._squeeze.inverse(y[:, coarse:])

    def merge(self, kept: Images | None, factored: Images, call: Call = EVALUATION) -> Images:
        assert kept is not None, "this policy keeps the coarse image"
        return torch.cat([kept, self._squeeze(factored)[0]], dim=1)

    def shapes(self, shape: Shape) -> tuple[Shape, Shape]:
        channels, height, width = shape
        if channels % 5:
            raise ShapeError(
                f"the split 'pyramid' needs a multiple of 5 channels (a coarse image and four bands of "
                f"the fine one), got {channels}. Use transform=pyramid before it"
            )
        coarse = channels // 5
        return (coarse, height, width), (coarse, 2 * height, 2 * width)


def build_split(shape: Shape, builder: Builder) -> PyramidSplit:
    """Build :class:`PyramidSplit`."""
    return PyramidSplit()
