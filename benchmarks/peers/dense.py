"""A dense RealNVP beside zuko's, which has no couplings of images: flattened digits, equal networks.

    python benchmarks/peers/dense.py --json dense.json

Couplings over one half of 1x28x28 values given the other, by a perceptron of two hidden layers. flowzoo's
halves are the even and the odd rows, zuko's the even and the odd values; both are 392 of 784.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import zuko
from side import Side, flowzoo_side
from side_by_side import command_line, compare, write
from torch import Tensor, nn

from flowzoo.flow import Flow
from flowzoo.registry.models import create_model

SHAPE, DIMENSIONS, COUPLINGS = (1, 28, 28), 784, 6


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = command_line(__doc__ or "", arguments)
    hidden = 16 if asked.quick else 256
    x = torch.rand(asked.batch, *SHAPE)
    flow = flowzoo_dense(hidden)
    flow.initialise([x])
    peer = zuko.flows.RealNVP(
        DIMENSIONS, transforms=COUPLINGS, hidden_features=(hidden, hidden), activation=nn.LeakyReLU
    )

    def log_prob(x: Tensor) -> Tensor:
        found: Tensor = peer().log_prob(x.flatten(1))
        return found

    def sample(count: int) -> Tensor:
        return peer().sample((count,)).reshape(count, *SHAPE)

    figures = compare(
        f"dense RealNVP, {COUPLINGS} couplings, 2 hidden layers of {hidden}",
        [flowzoo_side(flow), Side("zuko", peer, log_prob, sample)],
        x,
        asked,
        {"couplings": COUPLINGS, "hidden": hidden},
    )
    write(asked.json, figures)


def flowzoo_dense(hidden: int) -> Flow:
    """Return flowzoo's model: one level of couplings over halves of the squeezed image."""
    network = {"name": "dense", "hidden": hidden, "layers": 2}
    couplings = {"checkerboard": 0, "channel": COUPLINGS, "network": network}
    return create_model("realnvp", SHAPE, seed=0, preset="paper", levels=1, last=couplings)


if __name__ == "__main__":
    main()
