"""Weight-normalised convolutions."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowzoo.api import Images

START = 2.0**0.5
SCALE = "weight_scale"
"""Name of the parameter with a layer's scales; see :func:`weight_scales`."""


@final
class WeightNormConv(nn.Module):
    """A convolution whose filters have a length that is a separate parameter: ``w = g v / |v|``.

    ``g`` starts at ``sqrt(2)``, so that a rectifier and the layer together keep the spread of values.

    Args:
        channels: Number of channels of the input.
        output_channels: Number of channels of the output; each has one ``g``.
        kernel_size: Size of the kernel, odd; the borders are padded with zeros.

    References:
        Salimans and Kingma, Weight Normalization, 2016, equation 2.
    """

    def __init__(self, channels: int, output_channels: int, kernel_size: int) -> None:
        super().__init__()
        start = nn.Conv2d(channels, output_channels, kernel_size)
        self.padding = kernel_size // 2
        self.direction = start.weight
        self.weight_scale = nn.Parameter(torch.full((output_channels, 1, 1, 1), START))
        self.bias = start.bias

    def forward(self, x: Images) -> Images:
        weight = self.direction * (self.weight_scale / _lengths(self.direction))
        return F.conv2d(x, weight, self.bias, padding=self.padding)


def weight_scales(module: nn.Module) -> list[Tensor]:
    """Return the scales of the weight-normalised layers of any module, also of other plugins.

    They are its parameters called ``weight_scale``, at any depth, or what replaces such a parameter:
    a parametrisation of it, or its copy in a replica of ``torch.nn.DataParallel``.
    """
    found = (getattr(each, SCALE, None) for each in module.modules())
    return [each for each in found if isinstance(each, Tensor)]


def _lengths(filters: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(filters, dim=(1, 2, 3), keepdim=True)
    return lengths
