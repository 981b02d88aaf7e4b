"""The transform between PNF's resolutions."""

from __future__ import annotations

import math
from typing import Annotated, Literal, final

import torch
from pydantic import Field

from flowzoo.api import (
    EVALUATION,
    Builder,
    Call,
    Images,
    PerImage,
    ResolutionTransform,
    Shape,
    ShapeError,
    as_shape,
    constant_log_det,
)

Axis = Literal["width", "height"]


@final
class AxisMean(ResolutionTransform):
    """The mean of each pair of neighbours along one axis, and half their difference.

    For a pair ``(x1, x2)``::

        S = (x1 + x2) / 2,    Delta = (x1 - x2) / 2
        log_det = -(D / 2) log 2                    with D = C H W values of x

    ``S`` comes before ``Delta`` in the channels: along the width ``(C, H, W)`` goes to ``(2C, H, W/2)``.

    Args:
        axis: ``width`` pairs columns, ``height`` pairs rows.

    References:
        "PNF: Progressive normalizing flows", INNF+ 2021, section 2.

    >>> AxisMean("width")(torch.tensor([[[[1.0, 3.0, 5.0, 5.0]]]]))[0].flatten()
    tensor([ 2.,  5., -1.,  0.])
    """

    def __init__(self, axis: Axis = "width") -> None:
        super().__init__()
        self.axis = axis
        self._dim = -1 if axis == "width" else -2

    def forward(self, x: Images, call: Call = EVALUATION) -> tuple[Images, PerImage]:
        self.output_shape(as_shape(x.shape[1:]))
        first, second = x.unflatten(self._dim, (-1, 2)).unbind(self._dim)
        y = torch.cat([(first + second) / 2, (first - second) / 2], dim=1)
        return y, constant_log_det(x, -0.5 * x.shape[1:].numel() * math.log(2.0))

    def inverse(self, y: Images, call: Call = EVALUATION) -> Images:
        if y.shape[1] % 2:
            raise ShapeError(f"axis undoes pairs of channels, got {y.shape[1]} channels; give an even number")
        mean, difference = y.chunk(2, dim=1)
        pairs = torch.stack([mean + difference, mean - difference], dim=self._dim)
        return pairs.flatten(self._dim - 1, self._dim)

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = shape
        if (width if self.axis == "width" else height) % 2:
            raise ShapeError(
                f"axis pairs pixels along the {self.axis}, and the {self.axis} of {height}x{width} is odd; "
                "use fewer levels, another axis, or padded images"
            )
        if self.axis == "width":
            return 2 * channels, height, width // 2
        return 2 * channels, height // 2, width


def build_axis(
    shape: Shape,
    builder: Builder,
    *,
    axis: Annotated[Axis, Field(description="Axis along which neighbours are paired.")] = "width",
) -> AxisMean:
    """Build :class:`AxisMean`."""
    return AxisMean(axis)
