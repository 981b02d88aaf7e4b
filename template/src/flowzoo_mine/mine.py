"""A bijector: it scales every value, and the context may say by how much."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from flowzoo.api import EVALUATION, Builder, Call, ConditionalBijector, Images, PerImage, Shape


class Mine(ConditionalBijector):
    """``z = x exp(s)``, ``log_det = C H W s``, with ``s = a + b mean(context)`` for each image.

    Args:
        start: The value of ``a`` before training.
        conditional: Whether there will be a context.
    """

    def __init__(self, start: float, conditional: bool) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(start))
        self.b = nn.Parameter(torch.zeros(())) if conditional else None

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        scale = self._log_scale(x, context)
        return x * scale.exp()[:, None, None, None], scale * x[0].numel()

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return z * (-self._log_scale(z, context)).exp()[:, None, None, None]

    def _log_scale(self, x: Tensor, context: Tensor | None) -> Tensor:
        """Return ``s``, one number for each image."""
        if self.b is None or context is None:
            return self.a.expand(len(x))
        return self.a + self.b * context.mean((1, 2, 3))


def build_mine(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    start: Annotated[float, Field(description="Logarithm of the scale before training.")] = 0.0,
) -> Mine:
    """Build the bijector; the options are its keyword-only parameters."""
    return Mine(start, conditional=context_shape is not None)
