"""A random split, as a control."""

from __future__ import annotations

from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor

from flowzoo.api import EVALUATION, Builder, Call, Images, Shape, SplitPolicy, as_shape, require_even


@final
class RandomHalf(SplitPolicy):
    """Permutes all values of an image, keeps the first half and factors out the second.

    ``(C, H, W)`` to ``kept`` and ``factored`` of ``(2C, H/2, W/2)`` each. Their neighbours are not
    neighbours in the image. The permutation is saved with the model.

    Args:
        shape: ``(C, H, W)``.
        seed: Seed of the permutation.

    Raises:
        ShapeError: Height or width is odd.
    """

    order: Tensor

    def __init__(self, shape: Shape, seed: int = 0) -> None:
        super().__init__()
        require_even(shape, "random")
        values = torch.Size(shape).numel()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("order", torch.randperm(values, generator=generator, device="cpu"))

    def split(self, y: Images, call: Call = EVALUATION) -> tuple[Images, Images]:
        half, _ = self.shapes(as_shape(y.shape[1:]))
        kept, factored = y.flatten(1)[:, self.order].chunk(2, dim=1)
        return kept.unflatten(1, half), factored.unflatten(1, half)

    def merge(self, kept: Images | None, factored: Images, call: Call = EVALUATION) -> Images:
        assert kept is not None, "this policy keeps half"
        channels, height, width = factored.shape[1:]
        values = torch.cat([kept.flatten(1), factored.flatten(1)], dim=1)
        return values[:, self.order.argsort()].reshape(-1, channels // 2, 2 * height, 2 * width)

    def shapes(self, shape: Shape) -> tuple[Shape, Shape]:
        require_even(shape, "random")
        channels, height, width = shape
        half = (2 * channels, height // 2, width // 2)
        return half, half


def build_random(
    shape: Shape,
    builder: Builder,
    *,
    seed: Annotated[int, Field(ge=0, lt=2**63, description="Seed of the permutation.")] = 0,
) -> RandomHalf:
    """Build :class:`RandomHalf`."""
    return RandomHalf(shape, seed)
