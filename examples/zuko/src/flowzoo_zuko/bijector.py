"""zuko's masked autoregressive transforms, over the flattened image."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.transforms import MonotonicRQSTransform

from flowzoo.api import EVALUATION, Builder, Call, ConditionalBijector, Images, PerImage, Shape


class Zuko(ConditionalBijector):
    """``z = T_n(... T_1(x | c) | c)``, each ``T`` a lazy transform of zuko's over vectors."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        z, log_det = x.flatten(1), x.new_zeros(len(x))
        for layer in self.layers:
            z, ladj = layer(_flat(context)).call_and_ladj(z)
            log_det = log_det + ladj
        return z.reshape(x.shape), log_det

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        x = z.flatten(1)
        for layer in reversed(self.layers):
            x = layer(_flat(context)).inv(x)
        return x.reshape(z.shape)


def _flat(context: Tensor | None) -> Tensor | None:
    return None if context is None else context.flatten(1)


def build_bijector(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    univariate: Annotated[Literal["affine", "spline"], Field(description="Map of each value.")] = "affine",
    layers: Annotated[int, Field(ge=1, description="Number of transforms. Orders alternate.")] = 3,
    hidden: Annotated[int, Field(ge=1, description="Width of the two hidden layers.")] = 64,
    passes: Annotated[int, Field(ge=2, description="Passes of the inverse. 2: a coupling.")] = 2,
) -> Zuko:
    """Build the transforms."""
    features = math.prod(shape)
    maps = {"univariate": MonotonicRQSTransform, "shapes": [(8,), (8,), (7,)]}
    order = torch.arange(features)
    return Zuko(
        [
            MaskedAutoregressiveTransform(
                features,
                math.prod(context_shape or (0,)),
                passes=passes,
                order=order.flip(0) if layer % 2 else order,
                hidden_features=(hidden, hidden),
                activation=nn.SiLU,
                **(maps if univariate == "spline" else {}),
            )
            for layer in range(layers)
        ]
    )
