"""Normalisation of the features of single places."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

SMALLEST = 1e-6
"""Added to the mean square, so that zeros stay zeros."""


@final
class RMSNorm(nn.Module):
    """``gain x / sqrt(mean of x^2)``, over the features of each place.

    Exact traces need derivatives of forward-mode derivatives, and those of torch's layer normalisation are
    wrong (torch 2.13), so it is not used here.

    Args:
        features: Number of features.
        dim: The dimension that holds them.

    References:
        Zhang and Sennrich, Root Mean Square Layer Normalization, 2019.
    """

    def __init__(self, features: int, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim
        self.gain = nn.Parameter(torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.rsqrt(x.square().mean(self.dim, keepdim=True) + SMALLEST)
        return x * scale * (self.gain if self.dim == -1 else self.gain[:, None, None])
