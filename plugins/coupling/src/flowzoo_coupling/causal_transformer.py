"""A transformer over patches in which each sees those before it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from flowzoo_coupling.patches import Patches

Hidden = Float[Tensor, "batch _ _"]
"""What layers compute for each patch, ``(B, patches, width)``."""

Heads = Float[Tensor, "batch heads _ _"]
"""Queries, keys or values of attention, ``(B, heads, patches, width / heads)``."""


class Memory:
    """Keys and values of the patches so far, of one attention layer."""

    def __init__(self) -> None:
        self._kept: tuple[Heads, Heads] | None = None

    def extend(self, keys: Heads, values: Heads) -> tuple[Heads, Heads]:
        """Add those of further patches, and return all."""
        if self._kept is not None:
            keys = torch.cat([self._kept[0], keys], dim=2)
            values = torch.cat([self._kept[1], values], dim=2)
        self._kept = (keys, values)
        return self._kept


class CausalTransformer(nn.Module):
    """Gives each patch an output that depends on the patches before it, and on the context.

    The input at a patch's place is the patch before it, so causal attention, which sees its own place,
    does not see the patch itself. Layers are residual and normalise their input. The output starts at zero.

    Args:
        count: Number of patches.
        values: Number of values of a patch.
        outputs: Number of outputs for each patch.
        width: Number of channels of the hidden layers.
        depth: Number of layers.
        heads: Number of heads of attention, which divides ``width``.
    """

    def __init__(self, count: int, values: int, outputs: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.embed = nn.Linear(values, width)
        self.positions = nn.Parameter(0.02 * torch.randn(count, width))
        self.layers = nn.ModuleList(_Layer(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.outward = nn.Linear(width, outputs)
        nn.init.zeros_(self.outward.weight)
        nn.init.zeros_(self.outward.bias)

    def forward(self, patches: Patches, given: Hidden | None) -> Patches:
        """Return the outputs of patches, all at once.

        Args:
            patches: In the order of the flow; all of them, or the first ones.
            given: What the context says at each place, in the same order; None without a context.
        """
        hidden = self.embed(moved_on(patches)) + self.positions[: patches.shape[1]]
        if given is not None:
            hidden = hidden + given
        for layer in self.layers:
            hidden = layer(hidden, None)
        outputs: Patches = self.outward(self.norm(hidden))
        return outputs

    def memories(self) -> list[Memory]:
        """Return what :meth:`step` keeps from patch to patch, empty."""
        return [Memory() for _ in self.layers]

    def step(self, place: int, before: Patches, given: Hidden | None, memories: list[Memory]) -> Patches:
        """Return the output of one patch, which :meth:`forward` gives too, after all patches before it.

        Args:
            place: Place of the patch in the order of the flow.
            before: ``(B, 1, values)``, the patch before it; zeros for the first one.
            given: What the context says at all places.
            memories: From :meth:`memories`; used and extended.
        """
        hidden = self.embed(before) + self.positions[place]
        if given is not None:
            hidden = hidden + given[:, place : place + 1]
        for layer, memory in zip(self.layers, memories, strict=True):
            hidden = layer(hidden, memory)
        outputs: Patches = self.outward(self.norm(hidden))
        return outputs


class _Layer(nn.Module):
    """Attention, then two linear layers at each place, each added to what it gets."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        # A bias of the keys would change nothing: softmax ignores it.
        self.inward = nn.Linear(width, 3 * width, bias=False)
        self.outward = nn.Linear(width, width)
        self.pointwise = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, hidden: Hidden, memory: Memory | None) -> Hidden:
        """Return the next layer's input. With a memory, ``hidden`` is of one patch, which sees all in it."""
        seen = self.inward(self.before_attention(hidden))
        queries, keys, values = seen.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if memory is not None:
            keys, values = memory.extend(keys, values)
        attended = attention(queries, keys, values, causal=memory is None)
        hidden = hidden + self.outward(attended.transpose(1, 2).flatten(2))
        result: Hidden = hidden + self.pointwise(hidden)
        return result


def moved_on(patches: Patches) -> Patches:
    """Return the patch before each patch; before the first one there is one of zeros."""
    return F.pad(patches[:, :-1], (0, 0, 1, 0))


def attention(queries: Heads, keys: Heads, values: Heads, causal: bool) -> Heads:
    """Return ``softmax(q k^T / sqrt(d)) v``.

    Args:
        queries: Queries ``q`` of the places that are computed.
        keys: Keys ``k`` of the places that can be seen.
        values: Values ``v`` of the same places.
        causal: Whether a place sees itself and those before it only.
    """
    if forward_ad.unpack_dual(queries).tangent is None:
        return F.scaled_dot_product_attention(queries, keys, values, is_causal=causal)
    # The fast kernels have no forward-mode derivative, by which the density audit differentiates.
    with sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(queries, keys, values, is_causal=causal)
