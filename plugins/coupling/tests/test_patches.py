"""Cutting images into patches, and the orders of patches."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from flowzoo.errors import ShapeError
from flowzoo_coupling.patches import Order, PatchGrid, patch_grid


def test_a_patch_holds_the_pixels_of_one_square() -> None:
    x = torch.arange(32.0).reshape(1, 2, 4, 4)

    patches = PatchGrid((2, 4, 4), 2).cut(x)

    assert patches.shape == (1, 4, 8)
    assert set(patches[0, 1].tolist()) == set(x[0, :, :2, 2:].flatten().tolist())


def test_pasting_undoes_cutting() -> None:
    grid = PatchGrid((3, 6, 4), 2)
    x = torch.randn(2, 3, 6, 4)

    assert torch.equal(grid.paste(grid.cut(x)), x)


@pytest.mark.parametrize("order", get_args(Order))
def test_every_order_has_every_patch_once(order: Order) -> None:
    assert sorted(PatchGrid((1, 4, 6), 2).places(order).tolist()) == list(range(6))


def test_orders_begin_where_their_names_say() -> None:
    grid = PatchGrid((1, 4, 6), 2)

    starts = {order: grid.places(order)[:2].tolist() for order in get_args(Order)}

    assert starts == {
        "raster": [0, 1],
        "raster-reversed": [5, 4],
        "columns": [0, 3],
        "columns-reversed": [5, 2],
    }


@pytest.mark.parametrize(
    ("height", "width", "side"),
    [(32, 32, 4), (16, 16, 2), (8, 8, 1), (28, 28, 4), (32, 16, 4), (1, 2, 1), (2, 2, 1), (31, 31, 1)],
)
def test_patches_are_as_small_as_64_of_them_allow(height: int, width: int, side: int) -> None:
    assert patch_grid((3, height, width), None).side == side


def test_patches_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"^tarflow .*32x30.*4x4.*patch_size") as refusal:
        patch_grid((3, 32, 30), 4)
    assert "\n" not in str(refusal.value)


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"^tarflow .*\(1, 4, 4\).*\(1, 4, 6\)"):
        PatchGrid((1, 4, 4), 2).cut(torch.zeros(1, 1, 4, 6))
