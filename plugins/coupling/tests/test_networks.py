"""The networks: context and time stand as further channels, and nothing moves before training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from flowzoo.api import Network, OptionError
from flowzoo.registry.build import build_component
from flowzoo.testing import randomise
from flowzoo_coupling.attention import Attention, positions
from flowzoo_coupling.inputs import join_inputs

NETWORKS = ["residual-conv", "glow-conv", "dense", "gated-resnet", "vit"]


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


@pytest.mark.parametrize(("name", "option"), [("gated-resnet", "attention"), ("vit", "heads")])
def test_heads_that_cannot_share_the_features_are_refused(name: str, option: str) -> None:
    with pytest.raises(OptionError, match=name):
        build_component("network", name, (2, 4, 4), 2, None, False, **{option: 3})


def test_the_radius_of_a_gated_resnet_is_that_of_its_convolutions() -> None:
    def radius(**options: int) -> int | None:
        network: Network = build_component("network", "gated-resnet", (1, 9, 9), 1, None, False, **options)
        return network.receptive_radius

    assert radius(blocks=0) == 1
    assert radius(blocks=3) == 4
    assert radius(blocks=3, attention=4) is None


@pytest.mark.parametrize(("name", "options"), [("gated-resnet", {"attention": 2}), ("vit", {})])
def test_attention_sees_all_pixels_and_where_they_are(name: str, options: dict[str, int]) -> None:
    network = build_component("network", name, (1, 6, 6), 1, None, False, **options).double()
    randomise(network, seed=0)
    x = draw(1, 1, 6, 6).double().requires_grad_()
    y = network(x)
    (gradient,) = torch.autograd.grad(y[0, 0, 0, 0], x)
    assert bool((gradient != 0).all())
    # Far from the borders, all pixels of an even image look the same but for their places.
    even = network(torch.ones(1, 1, 16, 16, dtype=torch.float64))[0, 0]
    assert not torch.allclose(even[6, 6], even[6, 10], atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 2)])
def test_a_vit_takes_any_size(shape: tuple[int, int]) -> None:
    network = build_component("network", "vit", (2, 8, 8), 3, (1, 4, 4), False, patch_size=4)
    randomise(network, seed=0)
    assert network(draw(2, 2, *shape), draw(2, 1, 4, 4)).shape == (2, 3, *shape)


def test_attention_is_torch_s() -> None:
    ours = Attention(8, 2)
    randomise(ours, seed=0)
    theirs = nn.MultiheadAttention(8, 2, bias=True, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.inward.weight)
        theirs.in_proj_bias.zero_()
        theirs.out_proj.weight.copy_(ours.outward.weight)
        theirs.out_proj.bias.copy_(ours.outward.bias)
    x = draw(3, 5, 8)
    torch.testing.assert_close(ours(x), theirs(x, x, x, need_weights=False)[0], atol=1e-6, rtol=0)


def test_positions_tell_rows_and_columns_apart() -> None:
    places = positions(3, 4, 10, torch.zeros((), dtype=torch.float64))
    assert places.shape == (12, 10)
    distances = torch.cdist(places, places) + torch.eye(12, dtype=torch.float64)
    assert float(distances.min()) > 0.1


def test_dense_sees_all_of_a_larger_context() -> None:
    network = build_component("network", "dense", (1, 2, 2), 1, (1, 4, 4), False, hidden=16)
    randomise(network, seed=0)
    context = draw(1, 1, 4, 4).requires_grad_()
    network(draw(1, 1, 2, 2), context).sum().backward()
    assert context.grad is not None
    assert bool((context.grad != 0).all())
