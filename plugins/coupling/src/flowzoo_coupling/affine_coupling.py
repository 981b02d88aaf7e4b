"""The affine coupling."""

from __future__ import annotations

from typing import final

import torch

from flowzoo.api import (
    EVALUATION,
    BijectorTraits,
    Builder,
    Call,
    ConditionalBijector,
    Images,
    Network,
    PerImage,
    Shape,
    Spec,
    constant_log_det,
    log_det_dtype,
)
from flowzoo_coupling.partition import Partition


@final
class AffineCoupling(ConditionalBijector):
    """Scales and shifts some values by functions of the others.

        z_b = x_b exp(s) + t,   z_a = x_a,   (raw, t) = network(x_a | c),   s = s_max tanh(raw)
        log_det = sum of s

    If no value is left to be seen, the network gets an image of ones, so that ``s`` and ``t`` depend only on
    the context and the place.

    Args:
        network: Maps ``x_a`` to ``raw`` and ``t``, with one channel of each for each channel that changes;
            only to ``t`` if additive.
        partition: Divides ``x`` into ``x_a``, which the network sees, and ``x_b``, which changes.
        scale_limit: ``s_max``, the largest ``|s|``.
        additive: Whether ``s = 0``, which preserves volume.

    References:
        Dinh et al., Density Estimation Using Real NVP, 2017, equations 7 and 8; Dinh et al., NICE, 2015 (the
        additive one).
    """

    traits = BijectorTraits(has_contributions=True)

    def __init__(
        self, network: Network, partition: Partition, scale_limit: float = 2.0, additive: bool = False
    ) -> None:
        super().__init__()
        self.network = network
        self.partition = partition
        self.scale_limit = scale_limit
        self.additive = additive

    def extra_repr(self) -> str:
        return "additive" if self.additive else f"scale_limit={self.scale_limit:g}"

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        seen, moved = self.partition.part(x)
        log_scale, shift = self._affine(seen, context, call)
        if log_scale is None:
            return self.partition.join(seen, moved + shift), constant_log_det(x, 0.0)
        z = self.partition.join(seen, moved * torch.exp(log_scale) + shift)
        return z, log_scale.to(log_det_dtype(x)).flatten(1).sum(1)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        seen, moved = self.partition.part(x)
        log_scale, shift = self._affine(seen, context, call)
        if log_scale is None:
            return self.partition.join(seen, moved + shift), contributions
        z = self.partition.join(seen, moved * torch.exp(log_scale) + shift)
        return z, contributions + self.partition.join(torch.zeros_like(seen), log_scale)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        seen, moved = self.partition.part(z)
        log_scale, shift = self._affine(seen, context, call)
        moved = moved - shift
        return self.partition.join(seen, moved if log_scale is None else moved * torch.exp(-log_scale))

    def _affine(self, seen: Images, context: Images | None, call: Call) -> tuple[Images | None, Images]:
        """Return ``s`` (None: zero everywhere) and ``t``, laid out as the values that change."""
        if not self.partition.seen_channels:
            batch, _, height, width = seen.shape
            seen = seen.new_ones((batch, 1, height, width))
        raw = self.partition.clear(self.network(seen, context, None, call))
        if self.additive:
            return None, raw
        scale, shift = raw.chunk(2, dim=1)
        return self.scale_limit * torch.tanh(scale), shift


def affine_coupling(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    partition: Partition,
    network: Spec,
    scale_limit: float,
    additive: bool,
) -> AffineCoupling:
    """Build a coupling over images of ``shape``, with a network found by name."""
    _, height, width = shape
    seen_shape = (max(1, partition.seen_channels), height, width)
    parameters = partition.moved_channels * (1 if additive else 2)
    net = builder.network(network, seen_shape, parameters, context_shape)
    return AffineCoupling(net, partition, scale_limit, additive)
