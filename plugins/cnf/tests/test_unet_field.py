"""The residual U-Net: its Jacobian products, its receptive radius, its sizes and its refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from flowzoo.api import OptionError, Prepared
from flowzoo.registry.build import build_component
from flowzoo_cnf.unet_field import UNetField


def randomised(field: UNetField) -> UNetField:
    generator = torch.Generator().manual_seed(0)
    for parameter in field.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    return field.double()


@pytest.mark.parametrize("size", [(8, 8), (5, 3), (1, 1)])
@pytest.mark.parametrize("heads", [0, 2])
def test_products_by_hand_equal_those_of_forward_differentiation(size: tuple[int, int], heads: int) -> None:
    field = randomised(UNetField(3, 3, 2, True, (4, 6), blocks=1, heads=heads))
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(2, 3, *size, dtype=torch.float64, generator=generator)
    context = torch.randn(2, 2, *size, dtype=torch.float64, generator=generator)
    tangents = torch.randn(3, 2, 3, *size, dtype=torch.float64, generator=generator)
    fast, plain = field.prepare(context, x), Prepared(field, context)
    value, products = fast.jvp_many(x, tangents, 0.3)
    for tangent, product in zip(tangents, products, strict=True):
        expected = plain.jvp(x, tangent, 0.3)
        torch.testing.assert_close((value, product), expected)
        torch.testing.assert_close(fast.jvp(x, tangent, 0.3), expected)


def test_no_pixel_reaches_further_than_it_says_and_one_reaches_as_far() -> None:
    field = randomised(UNetField(1, 1, 0, True, (2, 2), blocks=1, heads=0))
    radius = field.receptive_radius
    assert radius is not None
    size = 2 * radius + 9
    reached = 0
    for centre in (radius + 4, radius + 5):  # pixels of one block of 2x2 do not reach equally far
        x = torch.zeros(1, 1, size, size, dtype=torch.float64)
        x[..., centre, centre] = 1.0
        change = field(x, None, torch.tensor(0.3)) - field(torch.zeros_like(x), None, torch.tensor(0.3))
        rows = change.abs().amax((0, 1, 3)).nonzero().flatten()
        reached = max(reached, int((rows - centre).abs().max()))
    assert radius - 1 <= reached <= radius


@pytest.mark.parametrize(
    ("options", "low", "high"),
    [
        ({"width": 24, "resolutions": 2}, 5e4, 1.5e5),
        ({"width": 192, "growth": 2.0, "resolutions": 3, "blocks": 2, "heads": 4}, 3e7, 7e7),
    ],
)
def test_sizes_reach_from_a_hundred_thousand_to_fifty_million(
    options: dict[str, Any], low: float, high: float
) -> None:
    with torch.device("meta"):
        field = build_component("network", "unet-field", (9, 16, 16), 9, (3, 16, 16), True, **options)
    assert low < sum(each.numel() for each in field.parameters()) < high


def test_resolutions_below_two_pixels_are_left_out() -> None:
    field = build_component("network", "unet-field", (3, 4, 4), 3, None, True, resolutions=6, width=4)
    assert len(field.descent) == 2


def test_heads_that_do_not_divide_the_features_are_refused() -> None:
    with pytest.raises(OptionError, match="heads"):
        build_component("network", "unet-field", (3, 8, 8), 3, None, True, width=10, growth=1.0, heads=4)
