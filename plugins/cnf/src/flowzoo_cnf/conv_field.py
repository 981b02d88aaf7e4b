"""The vector field of the papers: a stack of 3x3 convolutions that also sees the time and a context image."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from flowzoo.api import EVALUATION, Builder, Call, Images, Network, PartList, Prepared, Shape, Time
from flowzoo_cnf.inputs import channels_last, to_size
from flowzoo_cnf.softplus import push_softplus


class ConvField(Network):
    """``f(v, t | c)``: convolutions with softplus between them; the last starts at zero.

    The time is one more input channel of every convolution, and the context gives further input
    channels of the first.

    Args:
        channels: Number of channels of ``v``.
        output_channels: Number of channels of the result.
        context_channels: Number of channels of ``c``; 0 without a context.
        timed: Whether a time is given.
        hidden: Number of channels between the convolutions.
        layers: Number of convolutions.

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
        self.channels = channels
        self.receptive_radius = layers
        widths = [channels + context_channels, *[hidden] * (layers - 1), output_channels]
        convolutions = (TimedConv(before, after, timed) for before, after in pairwise(widths))
        self.layers = PartList(convolutions, TimedConv)
        for parameter in self.layers[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, x: Images, context: Images | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Images:
        """See :meth:`flowzoo.api.Network.forward`."""
        if context is not None:
            x = torch.cat([x, to_size(context, x)], dim=1)
        x = channels_last(x)
        for place, layer in enumerate(self.layers):
            x = layer(F.softplus(x) if place else x, time)
        return x

    def prepare(
        self,
        context: Images | None,
        like: Images,
        tangent: Images | None = None,
        call: Call = EVALUATION,
    ) -> PreparedConvField:
        """See :meth:`flowzoo.api.Network.prepare`."""
        return PreparedConvField(self, context, like, tangent)


class TimedConv(nn.Module):
    """A 3x3 convolution over ``[x, t]``, in which the time's channel is constant over the image.

    The convolution of a constant channel is ``t`` times one map, the same for every image. That costs very
    little compared with a convolution of 65 channels.
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
        time_map = self.time_map(x)
        if time_map is None:
            return y
        assert time is not None, "a field that was built with a time is given one"
        return y + time.to(x.dtype).reshape(-1, 1, 1, 1) * time_map

    def time_map(self, like: Images) -> Tensor | None:
        """Return the map that the time is multiplied with, ``(1, C_out, H, W)``."""
        if self.time_weight is None:
            return None
        ones = torch.ones((1, 1, *like.shape[-2:]), dtype=like.dtype, device=like.device)
        return channels_last(F.conv2d(ones, self.time_weight, padding=1))


class PreparedConvField(Prepared):
    """The field during one solve: the contributions of context and time are computed once.

    Values and tangents go through the convolutions side by side, as one batch.
    """

    def __init__(
        self, network: ConvField, context: Images | None, like: Images, tangent: Images | None
    ) -> None:
        super().__init__(network, context)
        layers = list(network.layers)
        first = layers[0].conv.weight
        self._weights = [
            first[:, : network.channels].contiguous(),
            *(each.conv.weight for each in layers[1:]),
        ]
        biases = [each.conv.bias for each in layers]
        self._constants: list[Tensor] = [bias.reshape(1, -1, 1, 1) for bias in biases if bias is not None]
        if context is not None:
            weight = first[:, network.channels :]
            brought = channels_last(to_size(context, like))
            self._constants[0] = F.conv2d(brought, weight, biases[0], padding=1)
        self._slopes = [layer.time_map(like) for layer in layers]
        self._tangent = tangent
        self._first_tangent = None if tangent is None else self._push_first(tangent)

    def __call__(self, x: Images, time: Time) -> Images:
        """See :meth:`flowzoo.api.Prepared.__call__`."""
        x = channels_last(x)
        for place, weight in enumerate(self._weights):
            y = F.conv2d(F.softplus(x) if place else x, weight, padding=1)
            x = y + self._shift(place, time)
        return x

    def jvp(self, x: Images, tangent: Images, time: Time) -> tuple[Images, Images]:
        """See :meth:`flowzoo.api.Prepared.jvp`."""
        y, dy = F.conv2d(channels_last(x), self._weights[0], padding=1), self._first_tangent
        if dy is None or tangent is not self._tangent:
            dy = self._push_first(tangent)
        for place, weight in enumerate(self._weights[1:]):
            both = push_softplus(y + self._shift(place, time), dy)
            y, dy = F.conv2d(both, weight, padding=1).chunk(2)
        return y + self._shift(len(self._weights) - 1, time), dy

    def jvp_many(self, x: Images, tangents: Tensor, time: Time) -> tuple[Images, Tensor]:
        """See :meth:`flowzoo.api.Prepared.jvp_many`."""
        count = len(tangents)
        y = F.conv2d(channels_last(x), self._weights[0], padding=1)
        dy = self._push_first(tangents.flatten(0, 1)).unflatten(0, (count, -1))
        for place, weight in enumerate(self._weights[1:]):
            y = y + self._shift(place, time)
            dy = (torch.sigmoid(y) * dy).flatten(0, 1)
            y = F.conv2d(F.softplus(y), weight, padding=1)
            dy = F.conv2d(dy, weight, padding=1).unflatten(0, (count, -1))
        return y + self._shift(len(self._weights) - 1, time), dy

    def _shift(self, place: int, time: Time) -> Tensor:
        """Return what a layer adds to its convolution: bias, time and, in the first layer, the context."""
        constant, slope = self._constants[place], self._slopes[place]
        if slope is None:
            return constant
        return constant + time * slope

    def _push_first(self, tangent: Images) -> Images:
        return F.conv2d(channels_last(tangent), self._weights[0], padding=1)


def build_conv_field(
    shape: Shape,
    output_channels: int,
    context_shape: Shape | None,
    timed: bool,
    builder: Builder,
    *,
    hidden: Annotated[int, Field(ge=1, description="Number of channels between the convolutions.")] = 64,
    layers: Annotated[int, Field(ge=2, description="Number of convolutions.")] = 4,
) -> ConvField:
    """Build a :class:`ConvField`."""
    context_channels = context_shape[0] if context_shape else 0
    return ConvField(shape[0], output_channels, context_channels, timed, hidden, layers)
