"""The divergence of a vector field, exactly or by a random probe, and its Jacobian's norm.

Both come from vector-Jacobian products ``e^T J``, which can be differentiated again for training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from flowzoo.api import Images, PerImage

Field = Callable[[Tensor], Tensor]
"""``v`` to ``f(v)``, both ``(B, C, H, W)``, time and context already given."""

CHUNK = 64
"""Unit vectors that the exact trace pushes through the field at once; more cost memory and save no time."""


class Divergence(NamedTuple):
    """A field's value and what is known of its Jacobian ``J = df/dv`` there.

    Attributes:
        value: ``f(v)``, ``(B, C, H, W)``.
        diagonal: ``J_ii`` or an unbiased estimate of it, ``(B, C, H, W)``.
        squared_norm: ``sum of J_ij^2`` or an unbiased estimate of it, ``(B,)``.
    """

    value: Images
    diagonal: Images
    squared_norm: PerImage

    @property
    def trace(self) -> PerImage:
        """``tr J`` or an unbiased estimate of it, ``(B,)``."""
        return self.diagonal.flatten(1).sum(1)


def hutchinson(field: Field, v: Images, probe: Images) -> Divergence:
    """Estimate the diagonal by ``(e^T J)_i e_i`` and the squared norm by ``|e^T J|^2``, for ``E[e e^T] = I``.

    References:
        Grathwohl et al., 2019, equation 8; Finlay et al., 2020, equation 10.
    """
    value, pull_back = torch.func.vjp(field, v)[:2]
    (product,) = pull_back(probe)
    return Divergence(value, product * probe, product.square().flatten(1).sum(1))


def exact(field: Field, v: Images) -> Divergence:
    """Go through all unit vectors, a chunk of them at a time."""
    dimensions = v[0].numel()
    unit = torch.eye(dimensions, dtype=v.dtype, device=v.device).reshape(dimensions, *v.shape[1:])
    value, pull_back = torch.func.vjp(field, v)[:2]

    def row(e: Tensor) -> tuple[Tensor, Tensor]:
        (product,) = pull_back(e.expand_as(v))
        return (product * e).flatten(1).sum(1), product.square().flatten(1).sum(1)

    entries, norms = torch.func.vmap(row, chunk_size=CHUNK)(unit)
    return Divergence(value, entries.T.reshape(v.shape), norms.sum(0))
