"""Values and their derivatives along tangents, side by side, for Jacobian products of fields."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-3
"""Added to the mean square that :func:`normalise` divides by, so that it is smooth where values vanish."""


class Dual(NamedTuple):
    """A value and its derivatives along tangents.

    Attributes:
        value: ``(B, C, H, W)``.
        tangent: ``(K, B, C, H, W)`` for ``K`` tangents; None where no derivative is wanted.
    """

    value: Tensor
    tangent: Tensor | None = None

    def plus(self, other: Dual) -> Dual:
        """Return the sum."""
        if self.tangent is None or other.tangent is None:
            return Dual(self.value + other.value)
        return Dual(self.value + other.value, self.tangent + other.tangent)


def convolve(layer: nn.Conv2d, x: Dual) -> Dual:
    """Apply a convolution: its bias has no derivative."""
    value = layer(x.value)
    if x.tangent is None:
        return Dual(value)
    bare = F.conv2d(x.tangent.flatten(0, 1), layer.weight, None, layer.stride, layer.padding)
    return Dual(value, bare.unflatten(0, x.tangent.shape[:2]))


def enlarge(x: Dual, like: Dual) -> Dual:
    """Repeat every pixel in a block of 2x2, cut to the size of ``like``."""
    height, width = like.value.shape[-2:]
    value = F.interpolate(x.value, scale_factor=2.0, mode="nearest")[..., :height, :width]
    if x.tangent is None:
        return Dual(value)
    tangent = F.interpolate(x.tangent.flatten(0, 1), scale_factor=2.0, mode="nearest")[..., :height, :width]
    return Dual(value, tangent.unflatten(0, x.tangent.shape[:2]))


def normalise(x: Dual) -> Dual:
    """Divide every pixel by the root mean square of its channels.

    With ``r = (mean x^2 + epsilon)^(-1/2)``: ``y = r x`` and ``dy = r (dx - y mean(y dx))``.
    """
    scale = (x.value.square().mean(1, keepdim=True) + EPSILON).rsqrt()
    value = x.value * scale
    if x.tangent is None:
        return Dual(value)
    along = (value * x.tangent).mean(2, keepdim=True)
    return Dual(value, scale * (x.tangent - value * along))


def modulate(x: Dual, gain: Tensor, shift: Tensor) -> Dual:
    """Scale and shift the features by what does not depend on the input."""
    return Dual(torch.addcmul(shift, x.value, gain), None if x.tangent is None else x.tangent * gain)


def swish(x: Dual) -> Dual:
    """Apply ``x sigmoid(x)``, also called SiLU."""
    if x.tangent is None:
        return Dual(F.silu(x.value))
    gate = torch.sigmoid(x.value)
    value = x.value * gate
    slope = gate + value * (1.0 - gate)
    return Dual(value, x.tangent * slope)


def attend(query: Dual, key: Dual, value: Dual, heads: int) -> Dual:
    """Let every pixel take a weighted mean of all pixels' values.

    With ``S = q k^T / sqrt(d)`` and ``P = softmax(S)``: ``o = P v``, ``dP = P (dS - sum of P dS)`` and
    ``do = dP v + P dv``.
    """
    size = query.value.shape[-2:]
    q, k, v = (_by_head(each.value, heads) for each in (query, key, value))
    scale = q.shape[-1] ** -0.5
    weights = torch.softmax(q @ k.mT * scale, dim=-1)
    if query.tangent is None or key.tangent is None or value.tangent is None:
        return Dual(_to_image(weights @ v, size))
    dq, dk, dv = (_by_head(each, heads) for each in (query.tangent, key.tangent, value.tangent))
    change = (dq @ k.mT + q @ dk.mT) * scale
    change = weights * (change - (weights * change).sum(-1, keepdim=True))
    return Dual(_to_image(weights @ v, size), _to_image(change @ v + weights @ dv, size))


def _by_head(x: Tensor, heads: int) -> Tensor:
    """Return ``(..., heads, H W, C / heads)`` from ``(..., C, H, W)``."""
    split: Tensor = x.flatten(-2).unflatten(-2, (heads, -1))
    return split.mT


def _to_image(x: Tensor, size: torch.Size) -> Tensor:
    flat: Tensor = x.mT.flatten(-3, -2)
    return flat.reshape(*flat.shape[:-1], *size)
