"""The network that tells drawn images from real ones, for the adversarial term of training."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from flowzoo.shapes import Images, PerImage, Shape

WIDTH = 32
"""Number of channels at the images' own size; it doubles with each halving, up to four times as many."""

SMALLEST = 4
"""Height and width down to which images are halved."""

SLOPE = 0.2
"""Slope of the leaky rectifiers below zero."""

QUIETEST = 1e-3
"""Standard deviation below which a channel is taken for constant, and is not divided."""

SEED = 0
"""Seed of the weights."""


@final
class Discriminator(nn.Module):
    """Convolutions with spectral normalisation, and one linear layer: a score for each image.

    Real images should get scores above 1, drawn ones scores below -1. Images are standardised per channel,
    by the statistics of the first real images that it is given, which are saved with it.

    Args:
        shape: ``(C, H, W)`` of the images.

    References:
        Miyato et al., "Spectral Normalization for Generative Adversarial Networks", 2018, arXiv:1802.05957.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        channels, height, width = shape
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(SEED)
            layers = [*_convolution(channels, WIDTH), *_convolution(WIDTH, WIDTH)]
            wide = WIDTH
            while max(height, width) > SMALLEST:
                narrow, wide = wide, min(2 * wide, 4 * WIDTH)
                layers += _convolution(narrow, wide, stride=2)
                height, width = (height + 1) // 2, (width + 1) // 2
            self.body = nn.Sequential(
                *layers, nn.Flatten(), spectral_norm(nn.Linear(wide * height * width, 1))
            )
            self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
            self.register_buffer("deviation", torch.zeros(1, channels, 1, 1))
        self.mean: Tensor
        self.deviation: Tensor

    @torch.no_grad()
    def see(self, real: Images) -> None:
        """Take the statistics that images are standardised by from real ones, ``(B, C, H, W)``, once."""
        if bool(self.deviation.any()):
            return
        self.mean.copy_(real.mean((0, 2, 3), keepdim=True))
        deviation = real.std((0, 2, 3), correction=0, keepdim=True)
        self.deviation.copy_(torch.where(deviation < QUIETEST, 1.0, deviation))

    def forward(self, images: Images) -> PerImage:
        """Return a score for each image, ``(B,)``.

        Args:
            images: ``(B, C, H, W)``, after :meth:`see` was called.
        """
        scores: Tensor = self.body((images - self.mean) / self.deviation)
        return scores[:, 0]


def _convolution(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [spectral_norm(nn.Conv2d(inputs, outputs, 3, stride, padding=1)), nn.LeakyReLU(SLOPE)]
