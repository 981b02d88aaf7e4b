"""Whether values are moved and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from flowzoo.shapes import Images, Shape
from flowzoo.testing.draws import BATCH
from flowzoo.testing.result import require


def numbered(shape: Shape) -> Images:
    """Return images whose values are all different, and say where they stand."""
    values = (BATCH, *shape)
    return torch.arange(torch.Size(values).numel(), dtype=torch.float64).reshape(values)


def require_permutation(parts: Sequence[Images], shape: Shape) -> None:
    """Require that the parts hold the values of :func:`numbered` images once each, alike in every image."""
    values = torch.cat([part.flatten(1) for part in parts], dim=1)
    complete = torch.equal(values.sort(dim=1).values, numbered(shape).flatten(1))
    require(complete, "the values that come out are not those that went in, each of them once")
    size = torch.Size(shape).numel()
    alike = torch.equal(values % size, (values % size)[:1].expand_as(values))
    require(alike, "values of different images are moved differently")
