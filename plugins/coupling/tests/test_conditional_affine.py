"""Glow's learned prior, against torch's normal distribution."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flowzoo.api import standard_normal_log_prob
from flowzoo.registry.build import build_component
from flowzoo.testing import randomise


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("context_shape", [None, (3, 4, 4), (3, 2, 2), (1, 8, 8)])
def test_its_density_is_a_gaussian_s_given_the_context(
    context_shape: tuple[int, int, int] | None,
) -> None:
    bijector = build_component("bijector", "conditional-affine", (2, 4, 4), context_shape).double()
    randomise(bijector, seed=0)
    x, context = draw(5, 2, 4, 4), None if context_shape is None else draw(5, *context_shape, seed=1)
    z, log_det = bijector(x, context)
    # Its moments, read off the inverse.
    mean = bijector.inverse(torch.zeros_like(x), context)
    spread = bijector.inverse(torch.ones_like(x), context) - mean
    assert float((spread.detach() - 1).abs().max()) > 0.1
    expected = torch.distributions.Normal(mean, spread).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(standard_normal_log_prob(z) + log_det, expected, atol=1e-10, rtol=0)


def test_shares_are_the_negative_log_spreads() -> None:
    bijector = build_component("bijector", "conditional-affine", (2, 4, 4), (3, 4, 4)).double()
    randomise(bijector, seed=0)
    x, context, before = draw(5, 2, 4, 4), draw(5, 3, 4, 4, seed=1), draw(5, 2, 4, 4, seed=2)
    spread = bijector.inverse(x + 1, context) - bijector.inverse(x, context)
    _, contributions = bijector.forward_with_contributions(x, before, context)
    torch.testing.assert_close(contributions, before - spread.log(), atol=1e-10, rtol=0)


@pytest.mark.parametrize("context_shape", [None, (3, 4, 4)])
def test_it_starts_as_the_identity(context_shape: tuple[int, int, int] | None) -> None:
    bijector = build_component("bijector", "conditional-affine", (2, 4, 4), context_shape)
    x = draw(5, 2, 4, 4).float()
    z, log_det = bijector(x, None if context_shape is None else draw(5, *context_shape).float())
    assert torch.equal(z, x)
    assert not log_det.any()


@pytest.mark.parametrize("slope", [None, 1.0])
def test_the_slope_says_how_fast_the_log_spread_leaves_0_and_the_limit_how_far(slope: float | None) -> None:
    bijector = build_component(
        "bijector", "conditional-affine", (1, 1, 1), None, scale_limit=8.0, slope=slope
    )

    def log_spread(raw: float) -> float:
        torch.nn.init.constant_(bijector.constant[:, 1:], raw)
        return -float(bijector(torch.zeros(1, 1, 1, 1))[1].detach())

    assert log_spread(1e-3) == pytest.approx(1e-3 * (slope or 8.0), rel=1e-3)
    assert log_spread(1e3) == pytest.approx(8.0)
