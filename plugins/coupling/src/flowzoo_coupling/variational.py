"""Variational dequantisation: noise that a flow draws, given the image."""

from __future__ import annotations

import math
from typing import Annotated, final

import torch
from pydantic import Field
from torch.nn import functional as F

from flowzoo.api import (
    EVALUATION,
    BijectorSpec,
    Builder,
    Call,
    ConditionalBijector,
    Dequantisation,
    Exactness,
    Images,
    IntegerImages,
    OptionError,
    PerImage,
    Shape,
    Spec,
    floating_dtype,
    standard_normal_log_prob,
    widest_dtype,
)

SPREAD = 1.75
"""Spread of the logits where the bijector is the identity: 0.014 bits/dim from uniform noise, the least."""


@final
class Variational(Dequantisation):
    """``u = sigmoid(y)``, ``y = s g(eps | a)``: ``eps`` is standard normal, ``g`` a conditional bijector.

        log q(u | a) = log N(eps) - log|det dg/deps| - D log s - sum log(sigmoid(y) sigmoid(-y))

    ``s`` is :data:`SPREAD`. The noise trains with the model: it goes where the model's density is high, which
    makes the bound tighter.

    Args:
        bijector: ``g``; its context is the image, scaled to ``(-1, 1)``.

    Raises:
        OptionError: The bijector's ``log_det`` is not exact in closed form, or it trains on another objective
            than its likelihood.

    References:
        Ho et al., Flow++: Improving Flow-Based Generative Models with Variational Dequantization and
        Architecture Design, 2019.
    """

    def __init__(self, bijector: ConditionalBijector) -> None:
        super().__init__()
        traits = bijector.traits
        closed = traits.exactness is Exactness.EXACT and not traits.solves and not traits.calibrates
        if not (closed and traits.loss_is_likelihood and traits.takes_all_reals) or bijector.phases:
            raise OptionError(
                "variational: the bijector needs an exact log_det in closed form, and its likelihood as its "
                "objective. Use one such as realnvp or glow"
            )
        self.bijector = bijector

    @property
    def title(self) -> str:
        return "variational"

    def forward(self, images: IntegerImages, bins: int, call: Call = EVALUATION) -> tuple[Images, PerImage]:
        wide = widest_dtype(images.device)
        context = ((images.to(wide) + 0.5) * (2.0 / bins) - 1.0).to(floating_dtype(self) or wide)
        eps = call.normal(torch.empty_like(context))
        y, log_det = self.bijector(eps, context, call)
        y = SPREAD * y.to(wide)
        slopes = math.log(SPREAD) - F.softplus(y) - F.softplus(-y)
        log_q = standard_normal_log_prob(eps.to(wide)) - log_det.to(wide) - slopes.flatten(1).sum(1)
        return torch.sigmoid(y), log_q


def build_variational(
    shape: Shape,
    builder: Builder,
    *,
    bijector: Annotated[
        BijectorSpec, Field(description="Bijector from normal noise to the logits of the noise in a bin.")
    ] = Spec(
        "realnvp", checkerboard=4, channel=0, network=Spec("glow-conv", hidden=32), weight_scale_penalty=0.0
    ),
) -> Variational:
    """Build a :class:`Variational` whose bijector is found by name."""
    return Variational(builder.bijector(bijector, shape, shape))
