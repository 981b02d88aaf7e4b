"""Glow's steps as one conditional bijector."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.api import (
    ActNorm,
    Builder,
    ConditionalBijector,
    NetworkSpec,
    Shape,
    Spec,
    Squeezed,
    Stack,
    squeezed_view,
)
from flowzoo_coupling.coupling import Logistics, Map, Tolerance, build_coupling, elementwise_map
from flowzoo_coupling.invertible_conv import InvertibleConv
from flowzoo_coupling.partition import Halves


def build_glow(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    steps: Annotated[
        int, Field(ge=1, description=("Number of steps. Each is ActNorm, 1x1 convolution and coupling."))
    ] = 4,
    squeeze: Annotated[
        bool, Field(description="Work on the squeezed view, where height and width are even.")
    ] = False,
    network: Annotated[NetworkSpec, Field(description="Network inside each coupling.")] = Spec("glow-conv"),
    scale_limit: Annotated[float, Field(gt=0, description="Largest absolute log-scale of a coupling.")] = 2.0,
    additive: Annotated[bool, Field(description="Let couplings shift only, which preserves volume.")] = False,
    coupling: Map = "affine",
    logistics: Logistics = 8,
    tolerance: Tolerance = 1e-10,
) -> ConditionalBijector:
    """Build Glow's steps: ActNorm, invertible 1x1 convolution, coupling over halves of the channels.

    The couplings use the context. A single channel has no halves: how it changes depends only on the
    context and the place. With mixture-CDF couplings, the steps are Flow++'s.

    Raises:
        OptionError: The options of the couplings exclude each other.

    References:
        Kingma and Dhariwal, Glow, 2018, section 3; Ho et al., Flow++, 2019, section 3.2.
    """
    change = elementwise_map(coupling, scale_limit, additive, logistics, tolerance)
    view = squeezed_view(shape, context_shape) if squeeze else None
    over, given = (view.shape, view.context_shape) if view else (shape, context_shape)
    parts: list[ConditionalBijector] = []
    for _ in range(steps):
        parts += [
            ActNorm(over[0]),
            InvertibleConv(over[0]),
            build_coupling(over, given, builder, Halves(over[0]), network, change),
        ]
    return Squeezed(Stack(parts), view) if view else Stack(parts)
