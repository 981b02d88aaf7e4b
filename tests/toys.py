"""Bijectors for the tests alone: nonlinear, and of the kinds that no built-in is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.call import EVALUATION, Call
from flowzoo.shapes import Images, Shape
from flowzoo.traits import BijectorTraits


class Wave(ConditionalBijector):
    """``z = a x + b mean(c) + sin(x) / 2``, with ``a`` and ``b`` trainable; inverted by bisection.

    An output depends on its own value alone, so that any autoregressive order is right.
    """

    traits = BijectorTraits(has_contributions=True)

    def __init__(self, conditional: bool = True) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(1.5))
        self.b = nn.Parameter(torch.tensor(0.7)) if conditional else torch.zeros(())

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        z, contributions = self.forward_with_contributions(x, torch.zeros_like(x), context, call)
        return z, contributions.flatten(1).sum(1)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        slope = self.a + 0.5 * torch.cos(x)
        return self.a * x + 0.5 * torch.sin(x) + self._shift(x, context), contributions + slope.log()

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        target = z - self._shift(z, context)
        low, high = torch.full_like(z, -1e3), torch.full_like(z, 1e3)
        for _ in range(80):
            middle = (low + high) / 2
            above = self.a * middle + 0.5 * torch.sin(middle) > target
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        return (low + high) / 2

    def autoregressive_order(self, shape: Shape) -> list[int]:
        return list(range(torch.Size(shape).numel()))

    def _shift(self, x: Images, context: Images | None) -> Tensor:
        given = x.new_zeros(len(x)) if context is None else context.flatten(1).mean(1)
        return (self.b * given).reshape(-1, 1, 1, 1)


class OtherLoss(ConditionalBijector):
    """The identity, trained on ``sum x^2 / 4``, which is not its likelihood; it adds a penalty of 1 nat."""

    traits = BijectorTraits(loss_is_likelihood=False)

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        return x, x.new_zeros(len(x))

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return z

    def loss(self, x: Images, context: Images | None = None, call: Call = EVALUATION) -> Tensor:
        call.penalise("toy", x.new_ones(len(x)))
        return x.square().flatten(1).sum(1) / 4


class PixelScale(ConditionalBijector):
    """``z = x exp(s)`` with a fixed ``s`` of its own for every value; stands in for a joint that learns."""

    traits = BijectorTraits(has_contributions=True)
    log_scale: Tensor

    def __init__(self, log_scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("log_scale", log_scale)

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Tensor]:
        return x * self.log_scale.exp(), self.log_scale.sum().repeat(len(x))

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        return self(x)[0], contributions + self.log_scale

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return z * (-self.log_scale).exp()
