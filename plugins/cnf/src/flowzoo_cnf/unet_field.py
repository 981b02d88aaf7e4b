"""A residual U-Net as a vector field, which sees time and context in every block."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from flowzoo.api import (
    EVALUATION,
    Builder,
    Call,
    Images,
    Network,
    OptionError,
    PartList,
    Prepared,
    Shape,
    Time,
)
from flowzoo_cnf.dual import Dual, attend, convolve, enlarge, modulate, normalise, swish
from flowzoo_cnf.inputs import channels_last, to_size

TIMES = 4
"""Number of frequencies by which a time enters, from a quarter of a turn on, each twice the one before."""


class UNetField(Network):
    """``f(v, t | c)``: residual blocks at several resolutions; the last convolution starts at zero.

    Time and context reach every block as a scale and a shift of its normalised features. The context's
    features are computed once for a whole solve. Nothing is normalised over an image, so that a pixel
    reaches no further than :attr:`receptive_radius`, unless there is attention.

    Args:
        channels: Number of channels of ``v``.
        output_channels: Number of channels of the result.
        context_channels: Number of channels of ``c``; 0 without a context.
        timed: Whether a time is given.
        widths: Number of features at each resolution, the finest first.
        blocks: Number of residual blocks at each resolution, on the way down and on the way up.
        heads: Number of heads of the attention at the coarsest resolution; 0 for none.

    References:
        Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", 2020, appendix B (the U-Net); Perez
        et al., "FiLM: Visual Reasoning with a General Conditioning Layer", 2018; Zhang and Sennrich, "Root
        Mean Square Layer Normalization", 2019.
    """

    def __init__(
        self,
        channels: int,
        output_channels: int,
        context_channels: int,
        timed: bool,
        widths: tuple[int, ...],
        blocks: int,
        heads: int,
    ) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, widths[0], 3, padding=1)
        steps = list(pairwise(widths))
        self.down = PartList((nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in steps), nn.Conv2d)
        self.up = PartList((nn.Conv2d(b, a, 1) for a, b in steps), nn.Conv2d)
        self.descent = PartList((Stage(width, blocks) for width in widths), Stage)
        self.ascent = PartList((Stage(width, blocks) for width in widths[:-1]), Stage)
        self.attention = Attention(widths[-1], heads) if heads else None
        self.leave = nn.Conv2d(widths[0], output_channels, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)
        places = [*range(len(widths)), *range(len(widths) - 1)]
        self.modulation = Modulation(widths, places, blocks, context_channels, timed)
        self.receptive_radius = None if heads else _radius(len(widths), blocks)

    def forward(
        self, x: Images, context: Images | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Images:
        """See :meth:`flowzoo.api.Network.forward`."""
        return self.through(Dual(x), self.modulation.of_context(context, x), time).value

    def prepare(
        self,
        context: Images | None,
        like: Images,
        tangent: Images | None = None,
        call: Call = EVALUATION,
    ) -> PreparedUNetField:
        """See :meth:`flowzoo.api.Network.prepare`."""
        return PreparedUNetField(self, context, like)

    def through(self, x: Dual, of_context: list[Tensor], time: Tensor | None) -> Dual:
        """Apply the network to a value and its derivatives, with the context's part of the modulation."""
        x = Dual(channels_last(x.value), x.tangent)
        modulations = self.modulation(of_context, None if time is None else time.to(x.value.dtype))
        x = convolve(self.enter, x)
        kept: list[Dual] = []
        for place, stage in enumerate(self.descent):
            if place:
                kept.append(x)
                x = convolve(self.down[place - 1], x)
            x = stage(x, modulations)
        if self.attention is not None:
            x = self.attention(x)
        for place in reversed(range(len(self.ascent))):
            skip = kept.pop()
            x = enlarge(convolve(self.up[place], x), skip).plus(skip)
            x = self.ascent[place](x, modulations)
        return convolve(self.leave, swish(normalise(x)))


class Stage(nn.Module):
    """Residual blocks at one resolution."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.blocks = PartList((Block(width) for _ in range(blocks)), Block)

    def forward(self, x: Dual, modulations: Iterator[Tensor]) -> Dual:
        for block in self.blocks:
            x = block(x, next(modulations))
        return x


class Block(nn.Module):
    """``x + conv(swish(modulate(normalise(conv(swish(normalise(x)))))))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Dual, modulation: Tensor) -> Dual:
        gain, shift = modulation.chunk(2, dim=1)
        y = convolve(self.first, swish(normalise(x)))
        y = swish(modulate(normalise(y), 1.0 + gain, shift))
        return x.plus(convolve(self.second, y))


class Attention(nn.Module):
    """Every pixel sees every other, by content alone; starts at the identity."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.leave = (nn.Conv2d(width, width, 1) for _ in range(4))
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Dual) -> Dual:
        y = normalise(x)
        y = attend(convolve(self.query, y), convolve(self.key, y), convolve(self.value, y), self.heads)
        return x.plus(convolve(self.leave, y))


class Modulation(nn.Module):
    """The scale and the shift of every residual block, from context and time.

    Args:
        widths: Number of features at each resolution.
        places: The resolution of each stage, in the order in which they compute.
        blocks: Number of blocks in a stage.
        context_channels: Number of channels of the context; 0 without.
        timed: Whether a time is given.
    """

    def __init__(
        self, widths: tuple[int, ...], places: list[int], blocks: int, context_channels: int, timed: bool
    ) -> None:
        super().__init__()
        stages = [*places[: len(widths)], *reversed(places[len(widths) :])]
        self.places = [place for place in stages for _ in range(blocks)]
        self.sizes = [2 * widths[place] for place in self.places]
        width = widths[0]
        self.encoder = (
            nn.ModuleList(
                nn.Conv2d(before, width, 3, padding=1, stride=2 if place > 1 else 1)
                for place, before in enumerate([context_channels, *[width] * len(widths)])
            )
            if context_channels
            else None
        )
        self.from_context = nn.ModuleList(
            nn.Conv2d(width, size, 1) for size in (self.sizes if context_channels else ())
        )
        self.from_time = (
            nn.Sequential(nn.Linear(2 * TIMES, width), nn.SiLU(), nn.Linear(width, sum(self.sizes)))
            if timed
            else None
        )
        self.constant = None if context_channels or timed else nn.Parameter(torch.zeros(sum(self.sizes)))

    def of_context(self, context: Images | None, like: Images) -> list[Tensor]:
        """Return the context's part of each block's modulation; empty without a context."""
        if context is None or self.encoder is None:
            return []
        features, seen = [], channels_last(to_size(context, like))
        for layer in self.encoder:
            seen = F.silu(layer(seen))
            features.append(seen)
        pairs = zip(self.from_context, self.places, strict=True)
        return [layer(features[place + 1]) for layer, place in pairs]

    def forward(self, of_context: list[Tensor], time: Tensor | None) -> Iterator[Tensor]:
        """Return each block's scale and shift, ``(B or 1, 2 C, H or 1, W or 1)``."""
        if self.from_time is not None:
            assert time is not None, "a field that was built with a time is given one"
            parts = self.from_time(_turns(time)).reshape(-1, sum(self.sizes), 1, 1).split(self.sizes, dim=1)
        elif self.constant is not None:
            parts = self.constant.reshape(1, -1, 1, 1).split(self.sizes, dim=1)
        else:
            return iter(of_context)
        if not of_context:
            return iter(parts)
        return iter([given + part for given, part in zip(of_context, parts, strict=True)])


class PreparedUNetField(Prepared):
    """The field during one solve: what depends on the context alone is computed once."""

    network: UNetField

    def __init__(self, network: UNetField, context: Images | None, like: Images) -> None:
        super().__init__(network, context)
        self._of_context = network.modulation.of_context(context, like)

    def __call__(self, x: Images, time: Time) -> Images:
        """See :meth:`flowzoo.api.Prepared.__call__`."""
        return self._through(Dual(x), time).value

    def jvp(self, x: Images, tangent: Images, time: Time) -> tuple[Images, Images]:
        """See :meth:`flowzoo.api.Prepared.jvp`."""
        value, product = self._through(Dual(x, tangent.unsqueeze(0)), time)
        assert product is not None, "tangents give products"
        return value, product.squeeze(0)

    def jvp_many(self, x: Images, tangents: Tensor, time: Time) -> tuple[Images, Tensor]:
        """See :meth:`flowzoo.api.Prepared.jvp_many`."""
        value, products = self._through(Dual(x, tangents.expand(-1, *x.shape)), time)
        assert products is not None, "tangents give products"
        return value, products

    def _through(self, x: Dual, time: Time) -> Dual:
        at = torch.as_tensor(time, dtype=x.value.dtype, device=x.value.device)
        return self.network.through(x, self._of_context, at)


def _turns(time: Tensor) -> Tensor:
    """Return cosines and sines of the time at several frequencies, ``(B or 1, 2 TIMES)``."""
    frequencies = 0.5 * math.pi * 2.0 ** torch.arange(TIMES, dtype=time.dtype, device=time.device)
    angles = time.reshape(-1, 1) * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def _radius(resolutions: int, blocks: int) -> int:
    """Return how far a pixel reaches, in pixels of the finest resolution."""
    radius = 2  # the first and the last convolution
    for place in range(resolutions):
        coarsest = place == resolutions - 1
        radius += 2**place * 2 * blocks * (1 if coarsest else 2)
        if not coarsest:
            radius += 2 ** (place + 1)  # a strided convolution, and the block of pixels that one becomes
    return radius


def build_unet_field(
    shape: Shape,
    output_channels: int,
    context_shape: Shape | None,
    timed: bool,
    builder: Builder,
    *,
    width: Annotated[int, Field(ge=2, description="Number of features at the finest resolution.")] = 48,
    growth: Annotated[
        float, Field(ge=1, description="Factor on the number of features from one resolution to the next.")
    ] = 1.5,
    resolutions: Annotated[
        int, Field(ge=1, le=6, description="Number of resolutions, each half the one before.")
    ] = 2,
    blocks: Annotated[int, Field(ge=1, description="Residual blocks at each resolution, each way.")] = 1,
    heads: Annotated[
        int, Field(ge=0, description="Heads of the attention at the coarsest resolution; 0 for none.")
    ] = 0,
) -> UNetField:
    """Build a :class:`UNetField`; resolutions below 2x2 pixels are left out.

    Raises:
        OptionError: ``heads`` does not divide the number of features at the coarsest resolution.
    """
    fitting = max(1, int(math.log2(max(2, min(shape[-2:])))))
    places = range(min(resolutions, fitting))
    widths = tuple(2 * round(width * growth**place / 2) for place in places)
    if heads and widths[-1] % heads:
        raise OptionError(
            f"unet-field: heads={heads} does not divide the {widths[-1]} features at the lowest resolution. "
            "Choose another width, growth or number of heads"
        )
    context_channels = context_shape[0] if context_shape else 0
    return UNetField(shape[0], output_channels, context_channels, timed, widths, blocks, heads)
