"""A network of fully connected layers."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from flowzoo.api import EVALUATION, Builder, Call, Images, Network, Shape
from flowzoo_coupling.inputs import resized


@final
class Dense(Network):
    """Fully connected layers over all values of image and context, with the leaky ReLU between them.

    The last starts at zero.

    Args:
        shape: ``(C, H, W)`` of the image.
        output_channels: Number of channels of the result.
        context_shape: Shape of the context, which is resized to the image's size; None without one.
        timed: Whether a time is given.
        hidden: Width of the hidden layers.
        layers: Number of hidden layers.
    """

    def __init__(
        self,
        shape: Shape,
        output_channels: int,
        context_shape: Shape | None = None,
        timed: bool = False,
        hidden: int = 256,
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.output_shape = (output_channels, *shape[1:])
        self.context_size = context_shape[1:] if context_shape else None
        inputs = math.prod(shape) + (math.prod(context_shape) if context_shape else 0) + int(timed)
        widths = [inputs, *[hidden] * layers]
        self.hidden = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        self.last = nn.Linear(widths[-1], math.prod(self.output_shape))
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, x: Images, context: Images | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Images:
        values = [x.flatten(1)]
        if context is not None:
            assert self.context_size is not None, "a network that is given a context was built for one"
            values.append(resized(context, self.context_size).to(x.dtype).flatten(1))
        if time is not None:
            values.append(time.to(x.dtype).reshape(-1, 1).expand(x.shape[0], 1))
        h = torch.cat(values, dim=1)
        for layer in self.hidden:
            h = F.leaky_relu(layer(h))
        y: Images = self.last(h).reshape(-1, *self.output_shape)
        return y


def build_dense(
    shape: Shape,
    output_channels: int,
    context_shape: Shape | None,
    timed: bool,
    builder: Builder,
    *,
    hidden: Annotated[int, Field(ge=1, description="Width of the hidden layers.")] = 256,
    layers: Annotated[int, Field(ge=1, description="Number of hidden layers.")] = 2,
) -> Dense:
    """Build a :class:`Dense`."""
    return Dense(shape, output_channels, context_shape, timed, hidden, layers)
