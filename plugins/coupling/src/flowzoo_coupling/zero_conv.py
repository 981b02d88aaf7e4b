"""The last convolution of a network that starts at zero."""

from __future__ import annotations

from torch import nn


def zero_conv(channels: int, output_channels: int, kernel_size: int = 3) -> nn.Conv2d:
    """Return a convolution that starts at zero, so that a coupling starts as the identity."""
    conv = nn.Conv2d(channels, output_channels, kernel_size, padding=kernel_size // 2)
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)
    return conv
