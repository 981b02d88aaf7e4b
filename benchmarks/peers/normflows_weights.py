"""Copies the weights of flowzoo's Glow into normflows', so that both compute the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from flowzoo.flow import Flow

LIMIT = 2.0
"""flowzoo's default ``scale_limit``."""


@torch.no_grad()
def copy_weights(flow: Flow, peer: Any) -> None:
    """Copy them, statistics included.

    flowzoo's squeeze lays channels out offset-major and normflows' colour-major, so what first meets a
    squeezed image is permuted. flowzoo standardises each level's image by fixed statistics; they are folded
    into normflows' first ActNorm.
    """
    for place in range(len(flow.levels)):
        level = flow.level(place)
        standardise = level.conditional if place == len(flow.levels) - 1 else level.joint
        parts = list(standardise.inner.inner.parts)
        *blocks, _ = peer.flows[len(flow.levels) - 1 - place]
        blocks.reverse()
        channels = parts[0].mean.shape[0] // 4
        order = torch.arange(4 * channels).reshape(4, channels).T.flatten()
        for step, block in enumerate(blocks):
            actnorm, conv, coupling = parts[3 * step : 3 * step + 3]
            their_coupling, their_conv, their_actnorm = block.flows
            mean, log_std, weight = actnorm.mean, actnorm.log_std, conv.weight
            if step == 0:
                fixed = standardise.scale
                mean = fixed.mean.repeat(4, 1, 1) + fixed.log_std.exp().repeat(4, 1, 1) * mean
                log_std = fixed.log_std.repeat(4, 1, 1) + log_std
                mean, log_std, weight = mean[order], log_std[order], weight[:, order]
            their_actnorm.t.copy_(mean[None])
            their_actnorm.s.copy_(log_std[None])
            their_actnorm.data_dep_init_done.fill_(1.0)
            _copy_convolution(weight, their_conv)
            _copy_network(coupling.network, their_coupling.flows[1].param_map.net)


def with_flowzoo_s_scales(peer: nn.Module) -> None:
    """Let normflows' couplings scale by ``exp(s_max tanh(raw))``, as flowzoo's do."""
    for module in list(peer.modules()):
        if hasattr(module, "param_map"):
            module.scale_map = "exp"
            module.param_map = _Limited(module.param_map)


class _Limited(nn.Module):
    """normflows computes ``(x - shift) exp(-scale)`` on the way to the latents, flowzoo ``x exp(s) + t``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        raw = self.network(x)
        log_scale = LIMIT * torch.tanh(raw[:, 1::2])
        shift = -raw[:, 0::2] * torch.exp(-log_scale)
        return torch.stack([shift, -log_scale], dim=2).flatten(1, 2)


def _copy_convolution(weight: Tensor, theirs: Any) -> None:
    permutation, lower, upper = torch.linalg.lu(weight)
    theirs.P.copy_(permutation)
    theirs.L.copy_(lower.tril(-1))
    theirs.U.copy_(upper.triu(1))
    theirs.sign_S.copy_(upper.diagonal().sign())
    theirs.log_S.copy_(upper.diagonal().abs().log())


def _copy_network(ours: Any, theirs: Any) -> None:
    for source, target in ((ours.first, theirs[0]), (ours.middle, theirs[2])):
        target.weight.copy_(source.weight)
        target.bias.copy_(source.bias)
    for name in ("weight", "bias"):
        scale, shift = getattr(ours.last, name).chunk(2)
        getattr(theirs[4], name).copy_(torch.stack([shift, scale], dim=1).flatten(0, 1))
