"""RealNVP's channel couplings beside nflows' and FrEIA's, with flowzoo's network inside all of them.

    python benchmarks/peers/realnvp.py --json realnvp.json

Only the libraries' own machinery differs: squeezes, splits, couplings and how they are strung together.
nflows and FrEIA have no checkerboard couplings, so flowzoo's are left out, and so is its penalty on weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import FrEIA.framework as ff
import FrEIA.modules as fm
import torch
from nflows.distributions import StandardNormal
from nflows.flows import Flow as NFlow
from nflows.transforms import (
    AffineCouplingTransform,
    CompositeTransform,
    MultiscaleCompositeTransform,
    SqueezeTransform,
)
from side import Side, flowzoo_side
from side_by_side import command_line, compare, write
from torch import Tensor, nn

from flowzoo.bijector import standard_normal_log_prob
from flowzoo.flow import Flow
from flowzoo.registry.build import build_component
from flowzoo.registry.models import create_model

SHAPE, LEVELS, COUPLINGS = (3, 32, 32), 3, 4

Network = Callable[[int, int], nn.Module]
"""Makes a network of so many channels to so many."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = command_line(__doc__ or "", arguments)
    options = {"hidden": 4, "blocks": 1} if asked.quick else {"hidden": 32, "blocks": 2}
    x = torch.rand(asked.batch, *SHAPE)

    def network(channels: int, output_channels: int) -> nn.Module:
        # A convolutional network fits any height and width.
        shape = (channels, *SHAPE[1:])
        made: nn.Module = build_component(
            "network", "residual-conv", shape, output_channels, None, False, **options
        )
        return made

    flow = flowzoo_realnvp(options)
    flow.initialise([x])
    peer = nflows_realnvp(network)
    inn = FreiaRealNVP(network)
    sides = [
        flowzoo_side(flow),
        Side("nflows", peer, peer.log_prob, peer.sample),
        Side("FrEIA", inn, inn.log_prob, inn.sample),
    ]
    figures = compare(
        f"RealNVP, {LEVELS} levels of {COUPLINGS} channel couplings, {options}",
        sides,
        x,
        asked,
        {"levels": LEVELS, "couplings": COUPLINGS, "network": options},
    )
    write(asked.json, figures)


def flowzoo_realnvp(options: dict[str, int]) -> Flow:
    """Return flowzoo's model."""
    joint = {"checkerboard": 0, "channel": COUPLINGS, "weight_scale_penalty": 0.0, "network": options}
    return create_model("realnvp", SHAPE, seed=0, preset="paper", levels=LEVELS, joint=joint, last=joint)


def nflows_realnvp(network: Network) -> NFlow:
    """Return nflows' model."""
    levels = MultiscaleCompositeTransform(LEVELS)
    shape = SHAPE
    for _ in range(LEVELS):
        squeeze = SqueezeTransform()
        shape = squeeze.get_output_shape(*shape)
        halves = torch.arange(shape[0]) < shape[0] // 2
        couplings = [
            AffineCouplingTransform(
                mask=(halves if place % 2 else ~halves).int(), transform_net_create_fn=network
            )
            for place in range(COUPLINGS)
        ]
        shape = levels.add_transform(CompositeTransform([squeeze, *couplings]), shape)
    return NFlow(levels, StandardNormal([SHAPE[0] * SHAPE[1] * SHAPE[2]]))


class FreiaRealNVP(nn.Module):
    """FrEIA's model: its ``GLOWCouplingBlock`` is two couplings, one of each half."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        options = {"subnet_constructor": network, "clamp": 2.0, "clamp_activation": "TANH"}
        nodes: list[ff.Node] = [ff.InputNode(*SHAPE)]
        ends: list[ff.Node] = []
        for level in range(LEVELS):
            before = nodes[-1] if level == 0 else nodes[-1].out1
            nodes.append(ff.Node(before, fm.IRevNetDownsampling, {}))
            for _ in range(COUPLINGS // 2):
                nodes.append(ff.Node(nodes[-1], fm.GLOWCouplingBlock, options))
            if level < LEVELS - 1:
                nodes.append(ff.Node(nodes[-1], fm.Split, {}))
                ends.append(ff.OutputNode(nodes[-1].out0))
        ends.append(ff.OutputNode(nodes[-1]))
        self.graph = ff.GraphINN([*nodes, *ends])
        self.shapes = [end.input_dims[0] for end in ends]

    def log_prob(self, x: Tensor) -> Tensor:
        latents, log_det = self.graph(x)
        total: Tensor = log_det + sum(standard_normal_log_prob(z) for z in latents)
        return total

    def sample(self, count: int) -> Tensor:
        images: Tensor = self.graph([torch.randn(count, *shape) for shape in self.shapes], rev=True)[0]
        return images


if __name__ == "__main__":
    main()
