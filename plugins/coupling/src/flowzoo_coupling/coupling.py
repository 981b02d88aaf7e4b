"""The coupling: some values change by a map whose parameters are a function of the others."""

from __future__ import annotations

from typing import Annotated, Literal, final

import torch
from pydantic import Field

from flowzoo.api import (
    EVALUATION,
    Added,
    BijectorTraits,
    Builder,
    Call,
    ConditionalBijector,
    Images,
    Network,
    OptionError,
    PerImage,
    Shape,
    Spec,
    log_det_dtype,
)
from flowzoo_coupling.affine import AffineMap, ShiftMap
from flowzoo_coupling.elementwise import Elementwise
from flowzoo_coupling.mixture_cdf import MixtureCDF
from flowzoo_coupling.partition import Partition

Map = Annotated[
    Literal["affine", "mixture-cdf"],
    Added(before="affine"),
    Field(
        description="What a coupling does to each value: a scale and a shift (affine), or before them the "
        "distribution function of a mixture of logistics (mixture-cdf, as in Flow++)."
    ),
]
"""The option ``coupling`` of bijectors that are made of couplings."""

Logistics = Annotated[
    int,
    Added(before=8),
    Field(ge=1, description="Number of logistics in the mixture of coupling=mixture-cdf."),
]
"""Their option ``logistics``."""

Tolerance = Annotated[
    float,
    Added(before=1e-10),
    Field(
        ge=1e-15,
        le=1e-6,
        description="Error of the inverse of coupling=mixture-cdf, relative to values beyond 1.",
    ),
]
"""Their option ``tolerance``."""


@final
class Coupling(ConditionalBijector):
    """Changes some values, each by an increasing map whose parameters are a function of the others.

        z_b = g(x_b; raw),   z_a = x_a,   raw = network(x_a | c),   log_det = sum of log g'(x_b; raw)

    If no value is left to be seen, the network gets an image of ones, so that ``raw`` depends only on the
    context and the place.

    Args:
        network: Maps ``x_a`` to ``raw``, whose channels :class:`~flowzoo_coupling.elementwise.Elementwise`
            describes.
        partition: Divides ``x`` into ``x_a``, which the network sees, and ``x_b``, which changes.
        elementwise: ``g``.

    References:
        Dinh et al., Density Estimation Using Real NVP, 2017, section 3.2.
    """

    traits = BijectorTraits(has_contributions=True)

    def __init__(self, network: Network, partition: Partition, elementwise: Elementwise) -> None:
        super().__init__()
        self.network = network
        self.partition = partition
        self.elementwise = elementwise

    def extra_repr(self) -> str:
        return repr(self.elementwise)

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        seen, moved = self.partition.part(x)
        moved, log_slope = self.elementwise.forward(moved, self._raw(seen, context, call))
        log_det = self.partition.clear(log_slope).sum((1, 2, 3), dtype=log_det_dtype(x))
        return self.partition.join(seen, moved), log_det

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        seen, moved = self.partition.part(x)
        moved, log_slope = self.elementwise.forward(moved, self._raw(seen, context, call))
        own = self.partition.join(torch.zeros_like(seen), log_slope)
        return self.partition.join(seen, moved), contributions + own

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        seen, moved = self.partition.part(z)
        moved = self.elementwise.inverse(moved, self._raw(seen, context, call))
        return self.partition.join(seen, moved)

    def _raw(self, seen: Images, context: Images | None, call: Call) -> Images:
        if not self.partition.seen_channels:
            batch, _, height, width = seen.shape
            seen = seen.new_ones((batch, 1, height, width))
        raw: Images = self.network(seen, context, None, call)
        return raw


def elementwise_map(
    coupling: Map, scale_limit: float, additive: bool, logistics: int, tolerance: float
) -> Elementwise:
    """Return what couplings do to each value, by options.

    Raises:
        OptionError: A mixture is asked for, and that volume is preserved.
    """
    if coupling == "affine":
        return ShiftMap() if additive else AffineMap(scale_limit)
    if additive:
        raise OptionError(
            "coupling=mixture-cdf does not preserve volume, which additive=true asks for; set additive=false"
        )
    return MixtureCDF(scale_limit, logistics, tolerance)


def build_coupling(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    partition: Partition,
    network: Spec,
    elementwise: Elementwise,
) -> Coupling:
    """Build a coupling over images of ``shape``, with a network found by name."""
    _, height, width = shape
    seen_shape = (max(1, partition.seen_channels), height, width)
    parameters = partition.moved_channels * elementwise.parameters
    net = builder.network(network, seen_shape, parameters, context_shape)
    return Coupling(net, partition, elementwise)
