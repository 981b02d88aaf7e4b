"""MRCNF: its transform preserves volume, and its likelihood by brute force."""

from __future__ import annotations

import torch

import flowzoo
from flowzoo.registry.build import build_component
from flowzoo.testing import brute_force_log_prob, randomise


def test_log_prob_is_that_of_the_whole_jacobian() -> None:
    model = flowzoo.create_model(
        "mrcnf",
        (1, 4, 4),
        levels=2,
        pixels={"name": "logit", "alpha": 0.05},
        seed=0,
        bijector={
            "network": {"width": 4},
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


def test_the_transform_preserves_volume_and_keeps_the_mean() -> None:
    transform = build_component("transform", "unimodular", (2, 4, 4))
    x = torch.rand(3, 2, 4, 4, dtype=torch.float64)
    y, log_det = transform(x)
    jacobian = torch.autograd.functional.jacobian(lambda v: transform(v[None])[0].flatten(), x[0])
    assert abs(float(torch.linalg.slogdet(jacobian.reshape(32, 32))[1])) < 1e-12
    assert float(log_det.abs().max()) < 1e-12
    torch.testing.assert_close(y[:, :2], torch.nn.functional.avg_pool2d(x, 2))
