"""Checks that values are only moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from flowzoo.shapes import Images, Shape
from flowzoo.testing.draws import BATCH, draw_noise
from flowzoo.testing.result import require


def numbered(shape: Shape) -> Images:
    """Return images whose values are all different and give their own places."""
    values = (BATCH, *shape)
    return torch.arange(torch.Size(values).numel(), dtype=torch.float64).reshape(values)


def require_moves(move: Callable[[Images], Sequence[Images]], shape: Shape) -> None:
    """Require that ``move`` takes every value to one place, which does not depend on the values.

    Args:
        move: Maps images to their parts.
        shape: ``(C, H, W)`` of the images.
    """
    parts = move(numbered(shape))
    require_permutation(parts, shape)
    places = _in_a_row(parts)[0].long()
    others = draw_noise(numbered(shape))
    as_before = torch.equal(_in_a_row(move(others)), others.flatten(1)[:, places])
    require(as_before, "where a value goes depends on the values")


def require_permutation(parts: Sequence[Images], shape: Shape) -> None:
    """Require that the parts hold each value of :func:`numbered` images once, at one place in all."""
    values = _in_a_row(parts)
    complete = torch.equal(values.sort(dim=1).values, numbered(shape).flatten(1))
    require(complete, "the values that come out are not those that went in, each of them once")
    size = torch.Size(shape).numel()
    alike = torch.equal(values % size, (values % size)[:1].expand_as(values))
    require(alike, "values of different images are moved differently")


def _in_a_row(parts: Sequence[Images]) -> Tensor:
    return torch.cat([part.flatten(1) for part in parts], dim=1)
