"""RealNVP with LCMA's splits: its likelihood is that of the brute-force Jacobian, whatever the scores."""

from __future__ import annotations

import pytest
import torch

import flowzoo
from flowzoo.scoring import fit_splits, scored_levels
from flowzoo.testing import brute_force_log_prob, randomise

NETWORK = {"hidden": 4, "blocks": 1}
COUPLINGS = {"checkerboard": 2, "channel": 2, "network": NETWORK}


@pytest.mark.parametrize("split", ["lcma", "lcma-high", "random"])
def test_log_prob_is_the_brute_force_one(split: str) -> None:
    flow = flowzoo.create_model(
        "lcma",
        (1, 8, 8),
        levels=3,
        seed=0,
        split=split,
        joint=COUPLINGS,
        last={"checkerboard": 2, "network": NETWORK},
    ).double()
    generator = torch.Generator().manual_seed(0)
    scores = [torch.randn(64, generator=generator, dtype=torch.float64) for _ in range(scored_levels(flow))]
    assert len(scores) == (0 if split == "random" else 2)
    fit_splits(flow, scores)
    x = torch.rand(4, 1, 8, 8, generator=generator, dtype=torch.float64)
    flow.initialise([x])
    randomise(flow, seed=0)

    torch.testing.assert_close(flow.log_prob(x).detach(), brute_force_log_prob(flow, x), atol=1e-8, rtol=0)
