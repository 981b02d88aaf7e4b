"""The papers' vector field: its time channel and its parameter counts."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from flowzoo_cnf.conv_field import ConvField, TimedConv


@pytest.mark.parametrize("per_image", [False, True])
def test_the_time_map_is_a_convolution_over_one_more_channel(per_image: bool) -> None:
    layer = TimedConv(3, 5, timed=True).double()
    x = torch.randn(4, 3, 6, 4, dtype=torch.float64)
    time = torch.rand(4, dtype=torch.float64) if per_image else torch.tensor(0.3, dtype=torch.float64)
    channel = time.expand(4).reshape(4, 1, 1, 1).expand(4, 1, 6, 4)
    assert layer.time_weight is not None
    weight = torch.cat([layer.conv.weight, layer.time_weight], dim=1)
    expected = F.conv2d(torch.cat([x, channel], dim=1), weight, layer.conv.bias, padding=1)
    torch.testing.assert_close(layer(x, time), expected)


def test_a_context_of_half_the_size_is_repeated_to_full_size() -> None:
    field = ConvField(2, 2, context_channels=1, hidden=4)
    for parameter in field.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    x, context, time = torch.randn(2, 2, 4, 4), torch.randn(2, 1, 2, 2), torch.tensor(0.5)
    large = context.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(field(x, context, time), field(x, large, time))
