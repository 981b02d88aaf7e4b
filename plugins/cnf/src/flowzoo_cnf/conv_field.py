"""The vector field of the papers: a stack of 3x3 convolutions that also sees the time and a context image."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from flowzoo.api import Builder, Images, Network, Shape


class ConvField(Network):
    """``f(v, t | c)``: convolutions with softplus between them; the last starts at zero.

    The time stands as one more input channel of every convolution, and the context as further input
    channels of the first.

    Args:
        channels: Of ``v``.
        output_channels: Of the result.
        context_channels: Of ``c``; 0 without a context.
        timed: Whether a time is given.
        hidden: Channels between the convolutions.
        layers: How many convolutions.

    References:
        Finlay et al., "How to Train Your Neural ODE", 2020; Voleti et al., "Multi-Resolution Continuous
        Normalizing Flows", 2024, appendix E.
    """

    def __init__(
        self,
        channels: int,
        output_channels: int,
        context_channels: int = 0,
        timed: bool = True,
        hidden: int = 64,
        layers: int = 4,
    ) -> None:
        super().__init__()
        widths = [channels + context_channels, *[hidden] * (layers - 1), output_channels]
        self.layers = nn.ModuleList(TimedConv(before, after, timed) for before, after in pairwise(widths))
        for parameter in self.layers[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Images, context: Images | None = None, time: Tensor | None = None) -> Images:
        """See :meth:`flowzoo.api.Network.forward`."""
        if context is not None:
            if context.shape[-2:] != x.shape[-2:]:
                context = F.interpolate(context, size=x.shape[-2:], mode="nearest")
            x = torch.cat([x, context.to(x.dtype)], dim=1)
        for place, layer in enumerate(self.layers):
            x = layer(F.softplus(x) if place else x, time)
        return x


class TimedConv(nn.Module):
    """A 3x3 convolution over ``[x, t]``, in which the time's channel is constant over the image.

    A constant channel convolves to ``t`` times one map, the same for every image, which costs next to nothing
    beside a convolution of 65 channels.
    """

    def __init__(self, channels: int, output_channels: int, timed: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, output_channels, kernel_size=3, padding=1)
        bound = (9 * (channels + 1)) ** -0.5
        self.time_weight = (
            nn.Parameter(torch.empty(output_channels, 1, 3, 3).uniform_(-bound, bound)) if timed else None
        )

    def forward(self, x: Images, time: Tensor | None) -> Images:
        y: Tensor = self.conv(x)
        if self.time_weight is None:
            return y
        assert time is not None, "a field that was built with a time is given one"
        ones = torch.ones((1, 1, *x.shape[-2:]), dtype=x.dtype, device=x.device)
        time_map = F.conv2d(ones, self.time_weight, padding=1)
        return y + time.to(x.dtype).reshape(-1, 1, 1, 1) * time_map


def build_conv_field(
    shape: Shape,
    output_channels: int,
    context_shape: Shape | None,
    timed: bool,
    builder: Builder,
    *,
    hidden: Annotated[int, Field(ge=1, description="channels between the convolutions")] = 64,
    layers: Annotated[int, Field(ge=2, description="how many convolutions")] = 4,
) -> ConvField:
    """Build a :class:`ConvField`."""
    context_channels = context_shape[0] if context_shape else 0
    return ConvField(shape[0], output_channels, context_channels, timed, hidden, layers)
