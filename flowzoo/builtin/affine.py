"""One fixed scale and shift."""

from __future__ import annotations

import math
from typing import Annotated, final

from pydantic import Field

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.log_det import constant_log_det
from flowzoo.call import EVALUATION, Call
from flowzoo.component import Builder
from flowzoo.errors import OptionError
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.traits import BijectorTraits


@final
class Affine(ConditionalBijector):
    """``z = scale x + shift``, ``log_det = D log |scale|``; the context is ignored.

    Args:
        scale: Any finite number but 0.
        shift: Any finite number.

    Raises:
        OptionError: The scale is 0.
    """

    traits = BijectorTraits(pointwise=True, has_contributions=True)

    def __init__(self, scale: float = 1.0, shift: float = 0.0) -> None:
        super().__init__()
        if scale == 0.0:
            raise OptionError("affine: scale=0 cannot be inverted. Give a number other than 0")
        self.scale = scale
        self.shift = shift

    def extra_repr(self) -> str:
        return f"scale={self.scale:g}, shift={self.shift:g}"

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        dimensions = x.shape[1:].numel()
        return x * self.scale + self.shift, constant_log_det(x, dimensions * math.log(abs(self.scale)))

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        return self(x, context, call)[0], contributions + math.log(abs(self.scale))

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return (z - self.shift) / self.scale


def build_affine(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    scale: Annotated[float, Field(allow_inf_nan=False, description="Factor; any number but 0.")] = 1.0,
    shift: Annotated[
        float, Field(allow_inf_nan=False, description="Number that is added after scaling.")
    ] = 0.0,
) -> Affine:
    """Build :class:`Affine`."""
    return Affine(scale, shift)
