"""ActNorm: shift and scale per channel, set by data."""

from __future__ import annotations

from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.first_pass import FirstPass
from flowzoo.builtin.log_det import log_det_dtype
from flowzoo.call import EVALUATION, Call
from flowzoo.component import Builder
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.traits import BijectorTraits

SMALLEST_STD = 1e-3
"""A padded border has no spread at all; its scale is floored, and so is its share of the ``log_det``."""


@final
class ActNorm(ConditionalBijector):
    """Standardises each channel, by statistics of the first batch of data that it sees.

    ``z = (x - mean) / std``, ``log_det = -H W sum_c log std_c``

    The statistics are taken over batch and space, once, in the first pass over the data; that they have been
    taken is saved with them. The context is ignored.

    Args:
        channels: ``C``.
        trainable: Whether mean and spread are parameters, trained on from there; else they stay fixed.

    Raises:
        NotInitialisedError: On use before the first pass.

    References:
        Kingma and Dhariwal, Glow, 2018, section 3.1.

    >>> x = 3.0 + 2.0 * torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> z, log_det = ActNorm(1)(x, None, Call(mode="initialise"))
    >>> round(z.std(correction=0).item(), 3)
    1.0
    """

    traits = BijectorTraits(pointwise=True, has_contributions=True)
    mean: Tensor
    log_std: Tensor

    def __init__(self, channels: int, trainable: bool = True) -> None:
        super().__init__()
        for name in ("mean", "log_std"):
            value = torch.zeros(channels, 1, 1)
            if trainable:
                self.register_parameter(name, nn.Parameter(value))
            else:
                self.register_buffer(name, value)
        self.first_pass = FirstPass("actnorm")

    def extra_repr(self) -> str:
        return f"channels={len(self.mean)}"

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        z = self._standardise(x, call)
        batch, _, height, width = x.shape
        log_det = self.log_std.sum(dtype=log_det_dtype(x)) * -(height * width)
        return z, log_det.expand(batch)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        return self._standardise(x, call), contributions - self.log_std

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        self.first_pass.require()
        return z * torch.exp(self.log_std) + self.mean

    def _standardise(self, x: Images, call: Call) -> Images:
        if call.mode == "initialise" and not self.first_pass.done:
            self._initialise(x)
        self.first_pass.require()
        return (x - self.mean) * torch.exp(-self.log_std)

    @torch.no_grad()
    def _initialise(self, x: Images) -> None:
        variance, mean = torch.var_mean(x.to(log_det_dtype(x)), dim=(0, 2, 3), keepdim=True, correction=0)
        self.mean.copy_(mean[0])
        self.log_std.copy_(variance[0].sqrt().clamp(min=SMALLEST_STD).log())
        self.first_pass.finish()


def build_actnorm(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    trainable: Annotated[bool, Field(description="Train mean and spread, which start at the data's.")] = True,
) -> ActNorm:
    """Build :class:`ActNorm`."""
    return ActNorm(shape[0], trainable)
