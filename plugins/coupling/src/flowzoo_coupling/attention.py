"""Self-attention between the places of an image."""

from __future__ import annotations

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowzoo.api import OptionError

Places = Float[Tensor, "batch places width"]
"""Features of each place of an image."""


@final
class Attention(nn.Module):
    """``softmax(q k^T / sqrt(d)) v`` over all places, for several heads; the last layer starts at zero.

    It is written out, since torch's fused kernels lack the derivatives of derivatives that traces need.

    Args:
        width: Number of features of a place.
        heads: Number of heads, which divides ``width``.

    References:
        Vaswani et al., Attention Is All You Need, 2017, section 3.2.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        # A bias of the keys would change nothing: softmax ignores it.
        self.inward = nn.Linear(width, 3 * width, bias=False)
        self.outward = nn.Linear(width, width)
        nn.init.zeros_(self.outward.weight)
        nn.init.zeros_(self.outward.bias)

    def forward(self, places: Places) -> Places:
        split = self.inward(places).unflatten(2, (3, self.heads, -1))
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        weights = torch.softmax(queries @ keys.mT / math.sqrt(queries.shape[-1]), dim=-1)
        found: Places = self.outward((weights @ values).transpose(1, 2).flatten(2))
        return found


def require_heads(name: str, width: int, heads: int) -> None:
    """Refuse heads that cannot share the features equally.

    Raises:
        OptionError: ``heads`` does not divide ``width``.
    """
    if width % heads:
        raise OptionError(f"{name}: {heads} heads do not divide {width} features; choose a number that does")


def positions(rows: int, columns: int, width: int, like: Tensor) -> Float[Tensor, "places width"]:
    """Return sines and cosines of each place's row and column, row by row, for a grid of any size.

    >>> positions(2, 3, 8, torch.zeros(())).shape
    torch.Size([6, 8])

    References:
        Dosovitskiy et al., An Image is Worth 16x16 Words, 2021, appendix D.4.
    """
    count = -(-width // 4)
    frequencies = 10000.0 ** (-torch.arange(count, dtype=like.dtype, device=like.device) / count)
    row, column = (
        torch.arange(size, dtype=like.dtype, device=like.device)[:, None] * frequencies
        for size in (rows, columns)
    )
    row, column = row[:, None].expand(rows, columns, count), column.expand(rows, columns, count)
    parts = [row.sin(), row.cos(), column.sin(), column.cos()]
    return torch.cat(parts, dim=-1)[..., :width].flatten(0, 1)
