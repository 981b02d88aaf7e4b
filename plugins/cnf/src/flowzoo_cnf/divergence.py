"""The divergence of a vector field, exactly or by a random probe, and its Jacobian's norm.

Both come from products ``J e`` with the Jacobian ``J = df/dv``, which are computed beside the value.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from flowzoo.api import Images, PerImage, Prepared, Time

CHUNK = 2**16
"""Pixels, of all images and probes together, that the exact trace pushes through the field at once."""


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


def hutchinson(field: Prepared, v: Images, time: Time, probe: Images) -> Divergence:
    """Estimate the diagonal by ``(J e)_i e_i`` and the squared norm by ``|J e|^2``, for ``E[e e^T] = I``.

    The papers take ``e^T J``, whose estimates have the same expectations; ``J e`` needs no backward pass.

    References:
        Grathwohl et al., 2019, equation 8; Finlay et al., 2020, equation 10.
    """
    value, product = field.push(v, probe, time)
    return Divergence(value, product * probe, product.square().flatten(1).sum(1))


def exact(field: Prepared, v: Images, time: Time, probes: Tensor) -> Divergence:
    """Push all of :func:`unit_probes` through the field, as many at a time as keep memory bounded."""
    diagonal, norm = torch.zeros_like(v), v.new_zeros(len(v))
    chunk = max(1, CHUNK // max(1, len(v) * v.shape[-2] * v.shape[-1]))
    value = v
    for some in probes.split(chunk):
        value, products = field.push_many(v, some, time)
        diagonal = diagonal + (products * some).sum(0)
        norm = norm + products.square().flatten(2).sum((0, 2))
    return Divergence(value, diagonal, norm)


def unit_probes(like: Images, reach: int | None, norm: bool) -> Tensor:
    """Return the fewest sums of unit vectors from which a Jacobian's diagonal can be read off.

    Where a pixel reaches no further than ``r`` pixels, the entries of unit vectors ``r + 1`` pixels apart
    do not meet on the diagonal, and one product with their sum gives all of them; ``2 r + 1`` pixels apart
    they meet nowhere, and the sum's squared norm is the sum of theirs.

    Args:
        like: ``(B, C, H, W)``.
        reach: Of the field (:attr:`flowzoo.api.Network.reach`).
        norm: Whether the squared norm is wanted too.

    Returns:
        ``(K, 1, C, H, W)``.

    References:
        Curtis, Powell and Reid, "On the Estimation of Sparse Jacobian Matrices", 1974.
    """
    channels, height, width = like.shape[1:]
    apart = max(height, width) if reach is None else (2 * reach if norm else reach) + 1
    rows, columns = min(apart, height), min(apart, width)
    probes = like.new_zeros((channels, rows, columns, 1, channels, height, width))
    for channel in range(channels):
        for row in range(rows):
            for column in range(columns):
                probes[channel, row, column, 0, channel, row::apart, column::apart] = 1.0
    return probes.flatten(0, 2)
