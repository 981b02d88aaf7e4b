"""A bijector on standardised data."""

from __future__ import annotations

from typing import Annotated, final

from pydantic import Field

from flowzoo import checked
from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.call import EVALUATION, Call
from flowzoo.component import BijectorSpec, Builder
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.traits import BijectorTraits


@final
class Standardise(ConditionalBijector):
    """Gives a bijector data, and context, of mean 0 and spread 1 per channel.

    ``z = inner((x - m) / s | (c - m_c) / s_c)``, ``log_det = log_det(inner) - H W sum_c log s_c``

    The statistics come from the first pass over data and stay fixed, so nothing here trains. The context's
    count nothing in the ``log_det``: a condition may be rescaled freely.

    Args:
        inner: The bijector; it decides the loss.
        shape: ``(C, H, W)`` of the data.
        context_shape: Shape of the context, or None without one.

    Raises:
        NotInitialisedError: On use before the first pass.
    """

    def __init__(self, inner: ConditionalBijector, shape: Shape, context_shape: Shape | None = None) -> None:
        super().__init__()
        self.inner = inner
        self.scale = ActNorm(shape[0], trainable=False)
        self.context_scale = ActNorm(context_shape[0], trainable=False) if context_shape else None

    @property
    def traits(self) -> BijectorTraits:  # type: ignore[override]  # the inner bijector's
        return self.inner.traits

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        x, own_log_det = self.scale(x, None, call)
        z, log_det = checked.forward(self.inner, x, self._standardise_context(context, call), call)
        return z, log_det + own_log_det

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        x, contributions = self.scale.forward_with_contributions(x, contributions, None, call)
        given = self._standardise_context(context, call)
        return checked.forward_with_contributions(self.inner, x, contributions, given, call)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        x = checked.inverse(self.inner, z, self._standardise_context(context, call), call)
        return self.scale.inverse(x, None, call)

    def loss(self, x: Images, context: Images | None = None, call: Call = EVALUATION) -> PerImage:
        x, log_det = self.scale(x, None, call)
        return checked.loss(self.inner, x, self._standardise_context(context, call), call) - log_det

    def _standardise_context(self, context: Images | None, call: Call) -> Images | None:
        if context is None or self.context_scale is None:
            return context
        return self.context_scale(context, None, call)[0]


def build_standardise(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    inner: Annotated[BijectorSpec, Field(description="Bijector of the standardised data.")],
) -> Standardise:
    """Build :class:`Standardise`."""
    return Standardise(builder.bijector(inner, shape, context_shape), shape, context_shape)
