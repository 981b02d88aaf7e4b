"""A residual network with gates, in the manner of Flow++."""

from __future__ import annotations

from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from flowzoo.api import EVALUATION, Builder, Call, Images, Network, Shape
from flowzoo_coupling.attention import Attention, positions, require_heads
from flowzoo_coupling.inputs import channels_last, input_channels, join_inputs
from flowzoo_coupling.rms_norm import RMSNorm
from flowzoo_coupling.zero_conv import zero_conv


@final
class GatedResNet(Network):
    """A 3x3 convolution, gated residual blocks, and a last 1x1 convolution that starts at zero.

    Features are normalised over the channels of each pixel, so that no image depends on its batch, and no
    pixel on those far away. With attention, every block is followed by a layer that sees all pixels.

    Args:
        channels: Number of input channels, with those of context and time.
        output_channels: Number of channels of the result.
        hidden: Number of channels between the convolutions.
        blocks: Number of residual blocks.
        attention: Number of heads of attention; 0 for none.

    References:
        Ho et al., Flow++, 2019, section 3.3.
    """

    def __init__(self, channels: int, output_channels: int, hidden: int, blocks: int, attention: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, hidden, kernel_size=3, padding=1)
        layers: list[nn.Module] = []
        for _ in range(blocks):
            layers.append(GatedBlock(hidden))
            if attention:
                layers.append(PixelAttention(hidden, attention))
        self.layers = nn.Sequential(*layers)
        self.norm = RMSNorm(hidden, dim=1)
        self.last = zero_conv(hidden, output_channels, kernel_size=1)
        self.receptive_radius = None if attention else blocks + 1

    def forward(
        self, x: Images, context: Images | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Images:
        h = self.layers(self.first(channels_last(join_inputs(x, context, time))))
        y: Images = self.last(F.silu(self.norm(h)))
        return y.contiguous()


@final
class GatedBlock(nn.Module):
    """``h + v sigmoid(g)`` with ``(v, g) = conv1x1(silu(conv3x3(silu(norm(h)))))``.

    Args:
        hidden: Number of channels.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.norm = RMSNorm(hidden, dim=1)
        self.first = nn.Conv2d(hidden, hidden, kernel_size=3, padding=1)
        self.last = nn.Conv2d(hidden, 2 * hidden, kernel_size=1)

    def forward(self, h: Images) -> Images:
        value, gate = self.last(F.silu(self.first(F.silu(self.norm(h))))).chunk(2, dim=1)
        step: Images = value * torch.sigmoid(gate)
        return h + step


@final
class PixelAttention(nn.Module):
    """``h + attention(norm(h) + positions)``, where every pixel sees all others."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.norm = RMSNorm(hidden, dim=1)
        self.attention = Attention(hidden, heads)

    def forward(self, h: Images) -> Images:
        _, hidden, height, width = h.shape
        places = self.norm(h).flatten(2).mT + positions(height, width, hidden, h)
        step: Images = self.attention(places).mT.unflatten(2, (height, width))
        return h + step


def build_gated_resnet(
    shape: Shape,
    output_channels: int,
    context_shape: Shape | None,
    timed: bool,
    builder: Builder,
    *,
    hidden: Annotated[int, Field(ge=1, description="Number of channels between the convolutions.")] = 64,
    blocks: Annotated[int, Field(ge=0, description="Number of residual blocks.")] = 2,
    attention: Annotated[
        int,
        Field(
            ge=0,
            description="Heads of attention after each block, which divide hidden. 0: no attention.",
        ),
    ] = 0,
) -> GatedResNet:
    """Build a :class:`GatedResNet`.

    Raises:
        OptionError: ``attention`` does not divide ``hidden``.
    """
    require_heads("gated-resnet", hidden, attention or 1)
    return GatedResNet(
        input_channels(shape, context_shape, timed), output_channels, hidden, blocks, attention
    )
