"""Weight-normalised convolutions."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flowzoo.api import Images

START = 2.0**0.5
SCALE = "weight_scale"
"""What a parameter that holds a layer's scales is called; see :func:`weight_scales`."""


@final
class WeightNormConv(nn.Module):
    """A convolution whose filters have their length as a parameter of its own: ``w = g v / |v|``.

    ``g`` starts at ``sqrt(2)``, which keeps the spread of what passes a rectifier and then the layer.

    Args:
        channels: Of the input.
        output_channels: Of the output, one ``g`` each.
        kernel_size: Odd; the borders are padded with zeros.

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
    """Return the scales of the weight-normalised layers of any module, whoever wrote it.

    They are its parameters called ``weight_scale``, at whatever depth, or what stands for such a parameter:
    a parametrisation of it, or its copy in a replica of ``torch.nn.DataParallel``.
    """
    found = (getattr(each, SCALE, None) for each in module.modules())
    return [each for each in found if isinstance(each, Tensor)]


def _lengths(filters: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(filters, dim=(1, 2, 3), keepdim=True)
    return lengths
