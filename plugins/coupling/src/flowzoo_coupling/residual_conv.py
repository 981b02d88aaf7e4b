"""RealNVP's network: residual blocks of weight-normalised convolutions."""

from __future__ import annotations

from typing import Annotated, final

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from flowzoo.api import EVALUATION, Builder, Call, Images, Network, Shape
from flowzoo_coupling.inputs import channels_last, input_channels, join_inputs
from flowzoo_coupling.weight_norm import WeightNormConv
from flowzoo_coupling.zero_conv import zero_conv


@final
class ResidualConv(Network):
    """A 3x3 convolution, residual blocks, and a last 3x3 convolution that starts at zero.

    Each block is ``h <- h + conv3x3(act(conv1x1(act(h))))``, where ``act`` is the leaky ReLU. There is no
    batch
    normalisation: with statistics of a batch, a single image has no density.

    Args:
        channels: Number of input channels, with those of context and time.
        output_channels: Number of channels of the result.
        hidden: Number of channels between the convolutions.
        blocks: Number of residual blocks.

    References:
        Dinh et al., Density Estimation Using Real NVP, 2017, section 3.4.
    """

    def __init__(self, channels: int, output_channels: int, hidden: int = 32, blocks: int = 2) -> None:
        super().__init__()
        self.first = WeightNormConv(channels, hidden, 3)
        self.blocks = nn.ModuleList(ResidualBlock(hidden) for _ in range(blocks))
        self.last = zero_conv(hidden, output_channels)
        self.receptive_radius = blocks + 2

    def forward(
        self, x: Images, context: Images | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Images:
        h = self.first(channels_last(join_inputs(x, context, time)))
        for block in self.blocks:
            h = block(h)
        y: Images = self.last(F.leaky_relu(h))
        return y.contiguous()


@final
class ResidualBlock(nn.Module):
    """``h + conv3x3(act(conv1x1(act(h))))``.

    Args:
        hidden: Number of channels.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.first = WeightNormConv(hidden, hidden, 1)
        self.last = WeightNormConv(hidden, hidden, 3)

    def forward(self, h: Images) -> Images:
        step: Images = self.last(F.leaky_relu(self.first(F.leaky_relu(h)), inplace=True))
        return h + step


def build_residual_conv(
    shape: Shape,
    output_channels: int,
    context_shape: Shape | None,
    timed: bool,
    builder: Builder,
    *,
    hidden: Annotated[int, Field(ge=1, description="Number of channels between the convolutions.")] = 32,
    blocks: Annotated[int, Field(ge=0, description="Number of residual blocks.")] = 2,
) -> ResidualConv:
    """Build a :class:`ResidualConv`."""
    return ResidualConv(input_channels(shape, context_shape, timed), output_channels, hidden, blocks)
