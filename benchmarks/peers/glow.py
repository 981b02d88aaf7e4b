"""Glow beside normflows' Glow blocks: equal levels, steps, networks and 1x1 convolutions, equal weights.

    python benchmarks/peers/glow.py --json glow.json

First flowzoo's weights are copied into normflows' model, and how far their log-likelihoods then differ in
float64 is printed; for that check alone normflows' couplings scale as flowzoo's do.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import normflows as nf
import torch
from normflows_weights import copy_weights, with_flowzoo_s_scales
from side import Side, flowzoo_side
from side_by_side import command_line, compare, write
from torch import Tensor, nn

from flowzoo.flow import Flow
from flowzoo.registry.models import create_model

CHANNELS, SIDE, LEVELS = 3, 32, 3
SLOPE = 0.01
"""Slope of the leaky ReLU: torch's default."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = command_line(__doc__ or "", arguments)
    steps, hidden = (2, 8) if asked.quick else (8, 64)
    x = torch.rand(asked.batch, CHANNELS, SIDE, SIDE)
    flow, peer = flowzoo_glow(steps, hidden), normflows_glow(steps, hidden)
    flow.initialise([x])
    error = disagreement(flow, peer, x[:4])
    copy_weights(flow, peer)
    sides = [
        flowzoo_side(flow),
        Side("normflows", peer, lambda x: peer.log_prob(x, None), lambda count: peer.sample(count)[0]),
    ]
    print(f"log-likelihoods with equal weights differ by {error:.1e} of themselves at most, in float64")
    figures = compare(
        f"Glow, {LEVELS} levels of {steps} steps, {hidden} hidden channels",
        sides,
        x,
        asked,
        {
            "levels": LEVELS,
            "steps": steps,
            "hidden": hidden,
            "largest_relative_difference_with_equal_weights": error,
            "normflows_parameters_that_never_count": unused(peer),
        },
    )
    write(asked.json, figures)


def flowzoo_glow(steps: int, hidden: int) -> Flow:
    """Return flowzoo's model, without the learned prior, which normflows' blocks do not have."""
    glow = {"steps": steps, "network": {"hidden": hidden}}
    return create_model(
        "glow",
        (CHANNELS, SIDE, SIDE),
        seed=0,
        preset="paper",
        levels=LEVELS,
        joint=glow,
        last=glow,
        bijector="identity",
    )


def normflows_glow(steps: int, hidden: int) -> nf.MultiscaleFlow:
    """Return normflows' model, as its own example builds it; its levels are listed coarsest first."""
    bases, flows, merges = [], [], []
    for place in range(LEVELS):
        up = LEVELS - place
        blocks = [
            nf.flows.GlowBlock(CHANNELS * 2 ** (up + 1), hidden, leaky=SLOPE, use_lu=True)
            for _ in range(steps)
        ]
        flows.append([*blocks, nf.flows.Squeeze()])
        channels = CHANNELS * 2 ** (up if place else up + 1)
        bases.append(nf.distributions.DiagGaussian((channels, SIDE >> up, SIDE >> up), trainable=False))
        if place:
            merges.append(nf.flows.Merge())
    return nf.MultiscaleFlow(bases, flows, merges, class_cond=False)


def unused(peer: nn.Module) -> int:
    """Return how many parameters normflows keeps of its triangular matrices on their other side."""
    convolutions = [each for each in peer.modules() if isinstance(each, nf.flows.Invertible1x1Conv)]
    return sum(each.num_channels * (each.num_channels + 1) for each in convolutions)


@torch.no_grad()
def disagreement(flow: Flow, peer: nn.Module, x: Tensor) -> float:
    """Return how far the log-likelihoods of both are apart, relative, with equal random weights."""
    ours = copy.deepcopy(flow).double()
    generator = torch.Generator().manual_seed(1)
    for parameter in ours.parameters():
        parameter += 0.02 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    theirs = copy.deepcopy(peer).double()
    copy_weights(ours, theirs)
    with_flowzoo_s_scales(theirs)
    found, expected = ours.log_prob(x.double()), theirs.log_prob(x.double(), None)
    return float(((found - expected) / expected).abs().max())


if __name__ == "__main__":
    main()
