"""A bijector on standardised data."""

from __future__ import annotations

from typing import Annotated, final

from pydantic import Field

from flowzoo import checked
from flowzoo.bijector import ConditionalBijector, follows
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.component import BijectorSpec, Builder
from flowzoo.run import EVALUATION, Run
from flowzoo.shapes import Images, PerImage, Shape


@final
class Standardise(ConditionalBijector):
    """Gives a bijector data, and context, of mean 0 and spread 1 per channel.

    ``z = inner((x - m) / s | (c - m_c) / s_c)``, ``log_det = log_det(inner) - H W sum_c log s_c``

    The statistics come from the first pass over data and stay fixed, so nothing here trains. The context's
    count nothing in the ``log_det``: a condition may be rescaled freely.

    Args:
        inner: The bijector; it decides the loss.
        shape: ``(C, H, W)`` of the data.
        context_shape: Of the context, or None without one.

    Raises:
        NotInitialisedError: On use before the first pass.
    """

    takes_all_reals = follows("inner.takes_all_reals")
    pointwise = follows("inner.pointwise")
    has_shares = follows("inner.has_shares")
    loss_is_likelihood = follows("inner.loss_is_likelihood")

    def __init__(self, inner: ConditionalBijector, shape: Shape, context_shape: Shape | None = None) -> None:
        super().__init__()
        self.inner = inner
        self.scale = ActNorm(shape[0], trainable=False)
        self.context_scale = ActNorm(context_shape[0], trainable=False) if context_shape else None

    def forward(
        self, x: Images, context: Images | None = None, run: Run = EVALUATION
    ) -> tuple[Images, PerImage]:
        x, own_log_det = self.scale(x, None, run)
        z, log_det = checked.forward(self.inner, x, self._standardise_context(context, run), run)
        return z, log_det + own_log_det

    def forward_with_shares(
        self, x: Images, shares: Images, context: Images | None = None, run: Run = EVALUATION
    ) -> tuple[Images, Images]:
        x, shares = self.scale.forward_with_shares(x, shares, None, run)
        given = self._standardise_context(context, run)
        return checked.forward_with_shares(self.inner, x, shares, given, run)

    def inverse(self, z: Images, context: Images | None = None, run: Run = EVALUATION) -> Images:
        x = checked.inverse(self.inner, z, self._standardise_context(context, run), run)
        return self.scale.inverse(x, None, run)

    def loss(self, x: Images, context: Images | None = None, run: Run = EVALUATION) -> PerImage:
        x, log_det = self.scale(x, None, run)
        return checked.loss(self.inner, x, self._standardise_context(context, run), run) - log_det

    def _standardise_context(self, context: Images | None, run: Run) -> Images | None:
        if context is None or self.context_scale is None:
            return context
        return self.context_scale(context, None, run)[0]


def build_standardise(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    inner: Annotated[BijectorSpec, Field(description="models the standardised data")],
) -> Standardise:
    """Build :class:`Standardise`."""
    return Standardise(builder.bijector(inner, shape, context_shape), shape, context_shape)
