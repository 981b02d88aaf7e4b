"""The networks: context and time stand as further channels, and nothing moves before training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flowzoo.registry.build import build_component
from flowzoo.testing import randomise
from flowzoo_coupling.inputs import join_inputs

NETWORKS = ["residual-conv", "glow-conv", "dense"]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_context_and_time_stand_as_further_channels() -> None:
    x, context, time = draw(2, 3, 4, 4), draw(2, 1, 2, 2), torch.tensor([0.25, 0.5])
    joined = join_inputs(x, context, time)
    assert torch.equal(joined[:, :3], x)
    assert torch.equal(joined[:, 3], context[:, 0].repeat_interleave(2, 1).repeat_interleave(2, 2))
    assert torch.equal(joined[:, 4], time[:, None, None].expand(2, 4, 4))
    assert torch.equal(join_inputs(x, None, torch.tensor(0.5))[:, 3], torch.full((2, 4, 4), 0.5))
    assert join_inputs(x, None, None) is x


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_start_at_zero(name: str) -> None:
    network = build_component("network", name, (2, 4, 4), 5, (1, 2, 2), False)
    assert not network(draw(3, 2, 4, 4), draw(3, 1, 2, 2)).any()


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_second_derivatives_for_a_trace(name: str) -> None:
    network = build_component("network", name, (2, 4, 4), 2, None, True)
    randomise(network, seed=0)
    x = draw(3, 2, 4, 4).requires_grad_()
    y = network(x, None, torch.tensor(0.5))
    (slope,) = torch.autograd.grad(y, x, draw(3, 2, 4, 4, seed=1), create_graph=True)
    slope.square().sum().backward()
    for parameter in network.last.parameters():
        assert parameter.grad is None or bool(parameter.grad.isfinite().all())
    assert bool(network.last.weight.grad.any())


def test_dense_sees_all_of_a_larger_context() -> None:
    network = build_component("network", "dense", (1, 2, 2), 1, (1, 4, 4), False, hidden=16)
    randomise(network, seed=0)
    context = draw(1, 1, 4, 4).requires_grad_()
    network(draw(1, 1, 2, 2), context).sum().backward()
    assert context.grad is not None
    assert bool((context.grad != 0).all())
