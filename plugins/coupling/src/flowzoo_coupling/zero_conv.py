"""The last convolution of a network that starts at zero."""

from __future__ import annotations

from torch import nn


def zero_conv(channels: int, output_channels: int) -> nn.Conv2d:
    """Return a 3x3 convolution that starts at zero, so that a coupling starts as the identity."""
    conv = nn.Conv2d(channels, output_channels, kernel_size=3, padding=1)
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)
    return conv
