"""Weight-normalised convolutions, against torch's parametrisation."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

from flowzoo.testing import randomise
from flowzoo_coupling.weight_norm import WeightNormConv, weight_scales


def test_it_is_torch_s() -> None:
    ours = WeightNormConv(3, 5, 3).double()
    randomise(ours, seed=0)
    theirs = weight_norm(nn.Conv2d(3, 5, 3, padding=1)).double()
    with torch.no_grad():
        theirs.parametrizations.weight.original0.copy_(ours.weight_scale)
        theirs.parametrizations.weight.original1.copy_(ours.direction)
        theirs.bias.copy_(ours.bias)
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-12, rtol=0)
    ours(x).square().sum().backward()
    theirs(x).square().sum().backward()
    expected = theirs.parametrizations.weight.original1.grad
    torch.testing.assert_close(ours.direction.grad, expected, atol=1e-10, rtol=0)


def test_scales_are_found_by_name_in_any_module() -> None:
    class Foreign(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight_scale = nn.Parameter(torch.ones(2))
            self.not_a_weight_scale = nn.Parameter(torch.ones(3))

    foreign = Foreign()
    conv = WeightNormConv(1, 4, 1)
    found = weight_scales(nn.Sequential(foreign, conv, nn.Conv2d(1, 1, 1)))
    assert [id(each) for each in found] == [id(foreign.weight_scale), id(conv.weight_scale)]


def test_scales_are_found_in_replicas_and_where_they_are_parametrised() -> None:
    layer = WeightNormConv(1, 2, 3)
    replica = layer._replicate_for_data_parallel()
    replica.weight_scale = 3 * layer.weight_scale.detach()
    doubled = WeightNormConv(1, 2, 3)
    parametrize.register_parametrization(doubled, "weight_scale", Doubled())

    (found,) = weight_scales(replica)
    (twice,) = weight_scales(doubled)

    torch.testing.assert_close(found, 3 * layer.weight_scale)
    torch.testing.assert_close(twice, 2 * layer.weight_scale)


class Doubled(torch.nn.Module):
    def forward(self, scale: torch.Tensor) -> torch.Tensor:
        return 2 * scale
