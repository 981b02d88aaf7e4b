"""The divergence of a vector field, exactly or by a random probe, and its Jacobian's norm.

Both come from products ``J e`` with the Jacobian ``J = df/dv``, which are computed beside the value.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from flowzoo.api import Images, PerImage, Prepared, Time, is_exporting

CHUNK = 2**16
"""Largest number of pixels, of all images and probes, that the exact trace computes at once."""


class Divergence(NamedTuple):
    """A field's value, and its Jacobian ``J = df/dv`` as far as it was computed.

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


class Colours(NamedTuple):
    """Colours of an image's dimensions.

    Attributes:
        by_dimension: ``(C, H, W)``, whole numbers from 0 on.
        number: Number of colours.
    """

    by_dimension: Tensor
    number: int


def hutchinson(field: Prepared, v: Images, time: Time, probe: Images) -> Divergence:
    """Estimate the diagonal by ``(J e)_i e_i`` and the squared norm by ``|J e|^2``, for ``E[e e^T] = I``.

    The papers take ``e^T J``, whose estimates have the same expectations; ``J e`` needs no backward pass.

    References:
        Grathwohl et al., 2019, equation 8; Finlay et al., 2020, equation 10.
    """
    value, product = field.jvp(v, probe, time)
    return Divergence(value, product * probe, product.square().flatten(1).sum(1))


def exact(field: Prepared, v: Images, time: Time, colours: Colours) -> Divergence:
    """Compute the products of the Jacobian with the sum of the unit vectors of each colour.

    They are computed in chunks, so that memory stays bounded.

    Args:
        field: The field.
        v: ``(B, C, H, W)``.
        time: Time of the solve.
        colours: See :func:`colour`. With colours for the diagonal only, the squared norm has no meaning.
    """
    diagonal, norm = torch.zeros_like(v), v.new_zeros(v.shape[0])
    # The number of images is unknown in an export, so that it cannot decide the chunks.
    chunk = colours.number if is_exporting() else max(1, CHUNK // max(1, len(v) * v.shape[-2] * v.shape[-1]))
    value = v
    for some in torch.arange(colours.number, device=v.device).split(chunk):
        probes = (colours.by_dimension == some.reshape(-1, 1, 1, 1, 1)).to(v.dtype)
        value, products = field.jvp_many(v, probes, time)
        diagonal = diagonal + (products * probes).sum(0)
        norm = norm + products.square().flatten(2).sum((0, 2))
    return Divergence(value, diagonal, norm)


def colour(like: Images, receptive_radius: int | None, norm: bool) -> Colours:
    """Colour the dimensions of an image so that those of one colour can be probed together.

    If a pixel affects no pixel further than ``r`` away, unit vectors ``r + 1`` pixels apart do not overlap
    on the Jacobian's diagonal, and one product with their sum gives the entries of all of them; ``2 r + 1``
    pixels apart they do not overlap at all, and the sum's squared norm is the sum of theirs.

    Args:
        like: ``(B, C, H, W)``.
        receptive_radius: Receptive radius of the field (:attr:`flowzoo.api.Network.receptive_radius`).
        norm: Whether the squared norm is wanted too.

    Returns:
        As few colours as possible.

    References:
        Curtis, Powell and Reid, "On the Estimation of Sparse Jacobian Matrices", 1974.
    """
    channels, height, width = like.shape[1:]
    apart = (
        max(height, width)
        if receptive_radius is None
        else (2 * receptive_radius if norm else receptive_radius) + 1
    )
    rows, columns = min(apart, height), min(apart, width)
    row = torch.arange(height, device=like.device) % apart
    column = torch.arange(width, device=like.device) % apart
    channel = torch.arange(channels, device=like.device)
    by_dimension = (channel.reshape(-1, 1, 1) * rows + row.reshape(-1, 1)) * columns + column
    return Colours(by_dimension, channels * rows * columns)
