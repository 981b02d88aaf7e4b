"""Splits between channels."""

from __future__ import annotations

from typing import Annotated, final

import torch
from pydantic import Field

from flowzoo.call import EVALUATION, Call
from flowzoo.component import Builder
from flowzoo.errors import ShapeError
from flowzoo.shapes import Images, Shape, as_shape
from flowzoo.split import SplitPolicy


@final
class KeepFirstChannels(SplitPolicy):
    """Keeps the first ``C / divisor`` channels and factors out the rest.

    Args:
        divisor: 4 keeps the coarse image in front of its three details, 2 keeps half of the channels.
    """

    def __init__(self, divisor: int = 4) -> None:
        super().__init__()
        assert divisor >= 2, "with 1, nothing would be factored out"
        self.divisor = divisor

    def extra_repr(self) -> str:
        return f"divisor={self.divisor}"

    def split(self, y: Images, call: Call = EVALUATION) -> tuple[Images, Images]:
        (kept, _, _), (factored, _, _) = self.shapes(as_shape(y.shape[1:]))
        first, rest = y.split([kept, factored], dim=1)
        return first, rest

    def merge(self, kept: Images | None, factored: Images, call: Call = EVALUATION) -> Images:
        assert kept is not None, "this policy keeps channels"
        return torch.cat([kept, factored], dim=1)

    def shapes(self, shape: Shape) -> tuple[Shape, Shape]:
        channels, height, width = shape
        if channels % self.divisor:
            raise ShapeError(
                f"cannot keep 1/{self.divisor} of {channels} channels. "
                f"Put a transform before the split that gives a multiple of {self.divisor}"
            )
        kept = channels // self.divisor
        return (kept, height, width), (channels - kept, height, width)


def build_keep_first_channels(
    shape: Shape,
    builder: Builder,
    *,
    divisor: Annotated[int, Field(ge=2, description="Keep one channel of this many.")] = 4,
) -> KeepFirstChannels:
    """Build :class:`KeepFirstChannels`."""
    return KeepFirstChannels(divisor)


def build_halves(shape: Shape, builder: Builder) -> KeepFirstChannels:
    """Build :class:`KeepFirstChannels` that keeps half."""
    return KeepFirstChannels(divisor=2)
