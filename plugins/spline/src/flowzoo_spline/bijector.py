"""The neural spline flow as a conditional bijector."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.api import Builder, NetworkSpec, Shape, Spec, Stack
from flowzoo_spline.coupling import SplineCoupling
from flowzoo_spline.rational_quadratic import RationalQuadratic


def build_spline(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    layers: Annotated[
        int, Field(ge=1, description="Number of couplings. Two of them move every value once.")
    ] = 4,
    bins: Annotated[int, Field(ge=2, le=500, description="Number of pieces of each spline.")] = 8,
    bound: Annotated[
        float,
        Field(
            gt=0,
            description="Values beyond this bound stay as they are, so it must cover the data. A logit with "
            "alpha 1e-5 reaches 11.5; standardised data stay nearer to 0.",
        ),
    ] = 12.0,
    network: Annotated[
        NetworkSpec,
        Field(description=("Network from the values that stay to the splines of those that move.")),
    ] = Spec("residual-conv"),
) -> Stack:
    """Build a stack of :class:`~flowzoo_spline.coupling.SplineCoupling` that change different values in turn.

    References:
        Durkan et al., "Neural Spline Flows", 2019.
    """
    spline = RationalQuadratic(bins, bound)
    channels = shape[0] * spline.parameters
    return Stack(
        [
            SplineCoupling(layer, builder.network(network, shape, channels, context_shape), spline)
            for layer in range(layers)
        ]
    )
