"""The coupling, and what it gets wrong."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from flowzoo.api import EVALUATION, Builder, Call, ConditionalBijector, Images, Network, Shape, Spec

Mistake = Literal[
    "none",
    "wrong sign",
    "bits",
    "halved",
    "inverse without context",
    "right before training",
    "batch statistics",
    "far from data",
    "wrong gradient",
]


class PlantedCoupling(ConditionalBijector):
    """``z_b = x_b exp(s(x_a, c)) + t(x_a, c)`` on every other column, with a mistake."""

    def __init__(self, network: Network, mistake: Mistake, first: int) -> None:
        super().__init__()
        self.network, self.mistake, self.first = network, mistake, first
        self.bonus = nn.Parameter(torch.zeros(()))
        for parameter in self.network.parameters():
            nn.init.normal_(parameter, std=0.05)

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        if self.mistake == "batch statistics":
            x = x - x.mean(0, keepdim=True)
        seen, moved = x[..., self.first :: 2], x[..., 1 - self.first :: 2]
        scale, shift = self._net(seen, context)
        log_det = scale.flatten(1).sum(1)
        z = self._woven(seen, moved * scale.exp() + shift)
        return z, self._stated(log_det, x)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        seen, moved = z[..., self.first :: 2], z[..., 1 - self.first :: 2]
        if self.mistake == "inverse without context" and context is not None:
            context = torch.zeros_like(context)
        scale, shift = self._net(seen, context)
        x = self._woven(seen, (moved - shift) * (-scale).exp())
        return x.clamp(-2.0, 2.0) if self.mistake == "far from data" else x

    def _stated(self, log_det: Tensor, x: Images) -> Tensor:
        if self.mistake == "wrong sign":
            return -log_det
        if self.mistake == "bits":
            return log_det / math.log(2.0)
        if self.mistake == "halved":
            return log_det / 2
        if self.mistake == "right before training":
            return log_det + self.bonus * x[0].numel()
        return log_det + 0.0 * self.bonus

    def _net(self, seen: Images, context: Images | None) -> tuple[Images, Images]:
        context = None if context is None else context[..., : seen.shape[-1]]
        raw = self.network(seen, context)
        if self.mistake == "wrong gradient":
            raw = 2.0 * raw.detach() - raw  # the value is right, its gradient has the wrong sign
        scale, shift = raw.chunk(2, dim=1)
        return 2.0 * scale.tanh(), shift

    def _woven(self, seen: Images, moved: Images) -> Images:
        pair = (seen, moved) if self.first == 0 else (moved, seen)
        return torch.stack(pair, dim=-1).flatten(-2)


def build_planted(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    mistake: Annotated[Mistake, Field(description="what it gets wrong")] = "none",
    odd: Annotated[bool, Field(description="moves the even columns instead of the odd ones")] = False,
) -> PlantedCoupling:
    """Build a :class:`PlantedCoupling`."""
    channels, height, width = shape
    half = (channels, height, width // 2)
    context = None if context_shape is None else (context_shape[0], height, width // 2)
    network = builder.network(Spec("conv-field", hidden=8, layers=2), half, 2 * channels, context)
    return PlantedCoupling(network, mistake, int(odd))
