"""FrEIA's coupling blocks, given a context."""

from __future__ import annotations

from typing import Annotated, Literal

import FrEIA.modules as blocks
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from flowzoo.api import EVALUATION, Builder, Call, ConditionalBijector, Images, PerImage, Shape, ShapeError


class Freia(ConditionalBijector):
    """Coupling blocks, with the channels in reverse order between them; ``log_det`` is the blocks' sum."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        log_det = x.new_zeros(len(x))
        for layer in self.layers:
            (x,), change = layer([x.flip(1)], c=_conditions(context, x))
            log_det = log_det + change
        return x, log_det

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        for layer in reversed(self.layers):
            (x,), _ = layer([z], c=_conditions(context, z), rev=True)
            z = x.flip(1)
        return z


def _conditions(context: Tensor | None, like: Tensor) -> list[Tensor]:
    return [] if context is None else [F.interpolate(context, like.shape[2:], mode="nearest")]


def build_bijector(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    block: Annotated[
        Literal["glow", "rnvp", "nice", "gin"], Field(description="FrEIA's block of this name.")
    ] = "glow",
    layers: Annotated[int, Field(ge=1, description="Number of blocks.")] = 4,
    hidden: Annotated[int, Field(ge=1, description="Channels of the networks.")] = 32,
) -> Freia:
    """Build the blocks."""
    if shape[0] < 2:
        raise ShapeError(
            "a coupling over channels needs 2 of them. Use a transform that makes more, such as haar"
        )

    def network(inputs: int, outputs: int) -> nn.Module:
        first, last = nn.Conv2d(inputs, hidden, 3, padding=1), nn.Conv2d(hidden, outputs, 3, padding=1)
        nn.init.zeros_(last.weight)
        return nn.Sequential(first, nn.SiLU(), last)

    kinds = {
        "glow": blocks.GLOWCouplingBlock,
        "rnvp": blocks.RNVPCouplingBlock,
        "nice": blocks.NICECouplingBlock,
        "gin": blocks.GINCouplingBlock,
    }
    # FrEIA's default clamp is a lambda, which cannot be pickled.
    clamp = {} if block == "nice" else {"clamp_activation": torch.tanh}
    given = [(context_shape[0], *shape[1:])] if context_shape else []
    return Freia(
        [kinds[block]([shape], dims_c=given, subnet_constructor=network, **clamp) for _ in range(layers)]
    )
