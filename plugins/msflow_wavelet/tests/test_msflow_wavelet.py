"""MSFlow-Wavelet: its likelihood by brute force, and the paper's parameter counts."""

from __future__ import annotations

import pytest
import torch

import flowzoo
from flowzoo.testing import brute_force_log_prob, randomise


def test_log_prob_is_that_of_the_whole_jacobian() -> None:
    model = flowzoo.create_model(
        "msflow-wavelet",
        (1, 4, 4),
        levels=2,
        pixels={"name": "logit", "alpha": 0.05},
        seed=0,
        bijector={
            "blocks": 2,
            "network": {"name": "conv-field", "hidden": 4},
            "evaluation_solver": "dopri5",
            "evaluation_tolerance": 1e-10,
            "evaluation_trace": "exact",
        },
    ).double()
    x = torch.rand(64, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model.initialise([x])
    randomise(model, seed=0)
    found = model.log_prob(x[:3])
    torch.testing.assert_close(found, brute_force_log_prob(model, x[:3]), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("levels", "blocks", "millions"),
    [
        (2, 3, 0.50),  # CIFAR-10
        (3, 3, 0.76),
        (4, 3, 1.03),
        (5, 3, 1.29),
        (2, 2, 0.33),  # ImageNet 32
        (3, 2, 0.51),
        (4, 2, 0.69),
    ],
)
def test_parameter_counts_are_those_of_the_papers_table(levels: int, blocks: int, millions: float) -> None:
    model = flowzoo.create_model(
        "msflow-wavelet",
        (3, 32, 32),
        levels=levels,
        bijector={"blocks": blocks, "network": "conv-field"},
        precondition=None,
    )
    count = sum(parameter.numel() for parameter in model.parameters())
    assert round(count / 1e6, 2) == millions
