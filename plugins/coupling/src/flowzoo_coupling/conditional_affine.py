"""Glow's learned prior: a Gaussian whose mean and spread are functions of the context."""

from __future__ import annotations

from typing import Annotated, final

import torch
from pydantic import Field
from torch import nn

from flowzoo.api import (
    EVALUATION,
    Added,
    BijectorTraits,
    Builder,
    Call,
    ConditionalBijector,
    Images,
    Network,
    NetworkSpec,
    PerImage,
    Shape,
    Spec,
    log_det_dtype,
)
from flowzoo_coupling.inputs import resized


@final
class ConditionalAffine(ConditionalBijector):
    """Standardises by a mean and a spread that are functions of the context.

        z = (x - mean) exp(-log_std),   (mean, raw) = network(c)
        log_std = s_max tanh(slope raw / s_max)
        log_det = -sum of log_std

    Without a context, mean and spread are parameters, one of each for each channel.

    Args:
        channels: ``C``.
        network: Maps the context, resized to the size of ``x``, to ``mean`` and ``raw``; None without a
            context.
        scale_limit: ``s_max``, the largest ``|log_std|``. Glow's 2 is too small for data whose spread changes
            a hundredfold from place to place, as that of details of photographs does.
        slope: How fast ``log_std`` changes with the network's output at 0; None for ``s_max``, as in Glow.
            With a large limit that makes the first steps of training far too long, and 1 is a good value.

    References:
        Kingma and Dhariwal, Glow, 2018, section 3.6 and its code.
    """

    traits = BijectorTraits(has_contributions=True)

    def __init__(
        self, channels: int, network: Network | None, scale_limit: float = 2.0, slope: float | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.constant = nn.Parameter(torch.zeros(1, 2 * channels, 1, 1)) if network is None else None
        self.scale_limit = scale_limit
        self.gain = 1.0 if slope is None else slope / scale_limit

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        mean, log_std = self._moments(x, context, call)
        z = (x - mean) * torch.exp(-log_std)
        return z, -log_std.to(log_det_dtype(x)).flatten(1).sum(1)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        mean, log_std = self._moments(x, context, call)
        return (x - mean) * torch.exp(-log_std), contributions - log_std

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        mean, log_std = self._moments(z, context, call)
        return z * torch.exp(log_std) + mean

    def _moments(self, x: Images, context: Images | None, call: Call) -> tuple[Images, Images]:
        """Return ``mean`` and ``log_std`` in the shape of ``x``."""
        if self.network is None:
            assert self.constant is not None, "without a network there are parameters"
            batch, _, height, width = x.shape
            raw = self.constant.expand(batch, -1, height, width)
        else:
            assert context is not None, "a bijector that was built for a context is given one"
            raw = self.network(resized(context, x.shape[-2:]).to(x.dtype), None, None, call)
        mean, log_std = raw.chunk(2, dim=1)
        return mean, self.scale_limit * torch.tanh(self.gain * log_std)


def build_conditional_affine(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    network: Annotated[
        NetworkSpec, Field(description="Network from the context to mean and log-spread.")
    ] = Spec("glow-conv"),
    scale_limit: Annotated[float, Field(gt=0, description="Largest absolute log-spread.")] = 2.0,
    slope: Annotated[
        float | None,
        Added(before=None),
        Field(
            gt=0,
            description="How fast the log-spread changes with the network's output at 0. None: scale_limit.",
        ),
    ] = None,
) -> ConditionalAffine:
    """Build a :class:`ConditionalAffine` whose network is found by name."""
    channels, height, width = shape
    if context_shape is None:
        return ConditionalAffine(channels, None, scale_limit, slope)
    net = builder.network(network, (context_shape[0], height, width), 2 * channels)
    return ConditionalAffine(channels, net, scale_limit, slope)
