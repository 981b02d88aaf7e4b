"""Splits that keep two of the four places of every 2x2 block."""

from __future__ import annotations

from typing import final

import torch

from flowzoo.api import EVALUATION, Builder, Call, Images, Shape, SplitPolicy, Squeeze, require_even


@final
class OffsetSplit(SplitPolicy):
    """Keeps two places of every 2x2 block of every channel and factors the other two out.

    ``(C, H, W)`` to twice ``(2C, H/2, W/2)``, offset-major: the raster order of the places is kept on both
    sides.

    Args:
        kept: The two places, by their raster order in the block.
        name: Name of the split in errors.
    """

    def __init__(self, kept: tuple[int, int], name: str) -> None:
        super().__init__()
        self.kept = kept
        self.name = name
        self._squeeze = Squeeze()

    def extra_repr(self) -> str:
        return f"{self.name}, kept={self.kept}"

    def split(self, y: Images, call: Call = EVALUATION) -> tuple[Images, Images]:
        bands = self._squeeze(y)[0].chunk(4, dim=1)
        kept = [bands[place] for place in self.kept]
        factored = [bands[place] for place in self._factored]
        return torch.cat(kept, dim=1), torch.cat(factored, dim=1)

    def merge(self, kept: Images | None, factored: Images, call: Call = EVALUATION) -> Images:
        assert kept is not None, "this policy keeps something"
        bands = dict(zip(self.kept, kept.chunk(2, dim=1), strict=True))
        bands |= zip(self._factored, factored.chunk(2, dim=1), strict=True)
        return self._squeeze.inverse(torch.cat([bands[place] for place in range(4)], dim=1))

    def shapes(self, shape: Shape) -> tuple[Shape, Shape]:
        require_even(shape, self.name)
        channels, height, width = shape
        half = (2 * channels, height // 2, width // 2)
        return half, half

    @property
    def _factored(self) -> list[int]:
        return [place for place in range(4) if place not in self.kept]


def build_checkerboard_split(shape: Shape, builder: Builder) -> OffsetSplit:
    """Build the split that keeps every second pixel, as on a checkerboard."""
    return OffsetSplit((0, 3), "checkerboard")


def build_channel_split(shape: Shape, builder: Builder) -> OffsetSplit:
    """Build the split that squeezes and keeps the first half of the channels: the upper row of each block."""
    return OffsetSplit((0, 1), "channel")
