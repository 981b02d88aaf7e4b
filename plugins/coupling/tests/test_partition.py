"""Partitions: what they show and move, place by place."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from flowzoo_coupling.partition import Checkerboard, Halves, Partition, over_checkerboard, over_halves


def moved_places(partition: Partition, shape: tuple[int, int, int]) -> Tensor:
    """Return 1 where a partition moves a value, else 0, ``(C, H, W)``."""
    seen, moved = partition.part(torch.zeros(1, *shape))
    return partition.join(seen, moved + partition.clear(torch.ones_like(moved)))[0]


def seen_places(partition: Partition, shape: tuple[int, int, int]) -> Tensor:
    """Return 1 where the network sees a value that changes with ``x``, else 0, ``(C, H, W)``."""
    x = torch.zeros(1, *shape, requires_grad=True)
    partition.part(x)[0].sum().backward()
    assert x.grad is not None
    return x.grad[0]


def test_a_checkerboard_moves_every_second_pixel_with_all_its_channels() -> None:
    board = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    assert torch.equal(moved_places(Checkerboard(2, 0), (2, 2, 3)), board.expand(2, 2, 3))
    assert torch.equal(moved_places(Checkerboard(2, 1), (2, 2, 3)), 1 - board.expand(2, 2, 3))


def test_halves_move_the_last_channels_and_then_the_first() -> None:
    assert moved_places(Halves(3, 0), (3, 1, 1)).flatten().tolist() == [0, 1, 1]
    assert moved_places(Halves(3, 1), (3, 1, 1)).flatten().tolist() == [1, 0, 0]
    assert moved_places(Halves(1, 0), (1, 1, 1)).flatten().tolist() == [1]
    assert moved_places(Halves(1, 1), (1, 1, 1)).flatten().tolist() == [1]


@pytest.mark.parametrize("parity", [0, 1])
@pytest.mark.parametrize("make", [Checkerboard, Halves])
def test_each_value_is_either_seen_or_moved(make: type[Checkerboard | Halves], parity: int) -> None:
    partition = make(3, parity)
    shape = (3, 3, 4)
    assert torch.equal(seen_places(partition, shape) + moved_places(partition, shape), torch.ones(shape))


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 1), (1, 1, 2), (1, 3, 3), (2, 3, 1), (4, 2, 2)])
@pytest.mark.parametrize("partition", [over_checkerboard, over_halves])
def test_two_couplings_in_a_row_move_every_value(partition, shape: tuple[int, int, int]) -> None:  # type: ignore[no-untyped-def]
    once, twice = (moved_places(partition(shape, place), shape) for place in (0, 1))
    assert bool((once + twice >= 1).all())
    assert bool(once.any())
    assert bool(twice.any())
    if shape != (1, 1, 1):
        assert bool((once + twice == 1).all())
