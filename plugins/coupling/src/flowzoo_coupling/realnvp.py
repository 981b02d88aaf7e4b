"""RealNVP's couplings as one conditional bijector."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, final

import torch
from pydantic import Field

from flowzoo.api import (
    EVALUATION,
    BijectorTraits,
    Builder,
    Call,
    ConditionalBijector,
    Images,
    NetworkSpec,
    OptionError,
    PerImage,
    Shape,
    Spec,
    Squeezed,
    Stack,
    squeezed_view,
)
from flowzoo_coupling.coupling import Logistics, Map, Tolerance, build_coupling, elementwise_map
from flowzoo_coupling.partition import Partition, over_checkerboard, over_halves
from flowzoo_coupling.weight_norm import weight_scales


@final
class RealNVP(ConditionalBijector):
    """Couplings over checkerboards, then couplings over halves of the channels of the squeezed view.

    In training the squared scales of the weight-normalised layers are penalised::

        penalty = weight_scale_penalty * D log 2 * sum of weight_scale^2     (nats; D = C H W)

    so that the coefficient is weighted against bits per dimension of the bijector's input.

    Args:
        parts: In the order in which data meet them.
        weight_scale_penalty: Coefficient of the penalty.

    References:
        Dinh et al., Density Estimation Using Real NVP, 2017, sections 3.4 to 3.6 and 4.1.
    """

    traits = BijectorTraits(has_contributions=True)

    def __init__(self, parts: Sequence[ConditionalBijector], weight_scale_penalty: float = 0.0) -> None:
        super().__init__()
        self.couplings = Stack(parts)
        self.weight_scale_penalty = weight_scale_penalty

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        self._penalise(x, call)
        return self.couplings(x, context, call)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        self._penalise(x, call)
        return self.couplings.forward_with_contributions(x, contributions, context, call)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return self.couplings.inverse(z, context, call)

    def _penalise(self, x: Images, call: Call) -> None:
        scales = weight_scales(self.couplings) if call.training and self.weight_scale_penalty else []
        if scales:
            nats_per_bit_per_dim = x.shape[1:].numel() * math.log(2.0)
            squares = torch.cat([scale.flatten() for scale in scales]).square().sum()
            penalty = self.weight_scale_penalty * nats_per_bit_per_dim * squares
            call.penalise("weight scales", penalty.expand(x.shape[0]))


def build_realnvp(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    checkerboard: Annotated[int, Field(ge=0, description="Number of couplings over checkerboards.")] = 3,
    channel: Annotated[
        int,
        Field(ge=0, description=("Number of couplings over halves of the channels, on the squeezed view.")),
    ] = 3,
    network: Annotated[NetworkSpec, Field(description="Network inside each coupling.")] = Spec(
        "residual-conv"
    ),
    scale_limit: Annotated[float, Field(gt=0, description="Largest absolute log-scale of a coupling.")] = 2.0,
    additive: Annotated[bool, Field(description="Let couplings shift only, which preserves volume.")] = False,
    weight_scale_penalty: Annotated[
        float,
        Field(
            ge=0,
            description=(
                "Weight of the squared scales of weight-normalised layers in the loss, in bits/dim."
            ),
        ),
    ] = 5e-5,
    coupling: Map = "affine",
    logistics: Logistics = 8,
    tolerance: Tolerance = 1e-10,
) -> RealNVP:
    """Build a :class:`RealNVP` whose networks are found by name.

    Odd heights and widths are not squeezed. A single pixel has no checkerboard and a single channel no
    halves: each then gets the other kind of coupling, and how a single value changes depends on the
    context only.

    Raises:
        OptionError: There is no coupling, or the options of the couplings exclude each other.
    """
    if not checkerboard + channel:
        raise OptionError("realnvp: checkerboard=0 and channel=0 leave no coupling; for none use 'identity'")
    change = elementwise_map(coupling, scale_limit, additive, logistics, tolerance)

    def couplings(
        count: int,
        partition: Callable[[Shape, int], Partition],
        over: Shape,
        given: Shape | None,
    ) -> list[ConditionalBijector]:
        return [
            build_coupling(over, given, builder, partition(over, place), network, change)
            for place in range(count)
        ]

    parts = couplings(checkerboard, over_checkerboard, shape, context_shape)
    view = squeezed_view(shape, context_shape) if channel else None
    if view is None:
        parts += couplings(channel, over_halves, shape, context_shape)
    else:
        parts.append(Squeezed(Stack(couplings(channel, over_halves, view.shape, view.context_shape)), view))
    return RealNVP(parts, weight_scale_penalty)
