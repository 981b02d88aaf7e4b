"""Training on crops whose loss is, on average, that of the whole image; and large images in tiles."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from types import EllipsisType
from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from flowzoo.api import (
    EVALUATION,
    Added,
    BijectorSpec,
    BijectorTraits,
    Builder,
    Call,
    ConditionalBijector,
    Images,
    OptionError,
    PerImage,
    Shape,
    log_det_dtype,
)
from flowzoo_wavelet_flow.reach import Reach, measure_reach
from flowzoo_wavelet_flow.tiles import cut, whole

Place = tuple[EllipsisType, slice, slice]
"""Rows and columns of images."""


@final
class Crops(ConditionalBijector):
    """A bijector that trains on crops, and otherwise is the inner bijector on the whole image.

    The image is cut into tiles. A training step draws one for each image, computes on it and a halo around
    it, and sums over the tile alone::

        loss = -tiles * sum over the tile of [ -z^2 / 2 - log(2 pi) / 2 + share of log_det ]

    With a halo as wide as the inner bijector looks, every term is that of the whole image, and since the
    tiles part the image and are drawn alike, the loss is in expectation the whole image's negative
    log-likelihood. Zeros stand around a crop only where the image itself ends.

    A narrower halo is cheaper, but it is another objective: near the tile's edge the terms are those of an
    image that ends there. Then the traits declare that the loss is not a likelihood. Likelihoods are always
    those of the whole image.

    A context of another resolution is first resized to the size of the data.

    Images larger than ``at_once`` are computed tile by tile outside of training too, which needs less
    memory: likelihoods, samples and up-scalings are the whole image's, up to rounding, since
    every tile has a halo as wide as the inner bijector looks, in either direction. In the first pass over the
    data the inner bijector then sees one window of each image.

    Args:
        inner: The inner bijector. It must be convolutional, with ``traits.has_contributions``.
        shape: ``(C, H, W)`` of the data.
        context_shape: Shape of the context, or None without one.
        size: Largest side of a tile.
        halo: Width of the halo; None: as wide as the inner bijector looks, which is measured.
        at_once: Largest side of an image that is computed at once outside of training; None: any.

    Raises:
        OptionError: The inner bijector has no contributions, trains on something else than its
            likelihood, or looks at the whole image.

    References:
        Yu, Derpanis and Brubaker, "Wavelet Flow", 2020: training of the finest levels on patches, there
        without a halo.
    """

    def __init__(
        self,
        inner: ConditionalBijector,
        shape: Shape,
        context_shape: Shape | None = None,
        *,
        size: int,
        halo: int | None = None,
        at_once: int | None = None,
    ) -> None:
        super().__init__()
        self.inner = inner
        self._narrow = False
        self._rows, self._columns = (whole(side) for side in shape[1:])
        self._parts = (self._rows, self._columns)
        if max(shape[1:]) <= size:
            return
        _require_croppable(inner)
        reach = measure_reach(inner, shape[0], context_shape[0] if context_shape else 0)
        used = reach if halo is None else Reach(min(halo, reach.halo), reach.step)
        self._rows, self._columns = (cut(side, size, used) for side in shape[1:])
        self._narrow = used.aligned(used.halo) < reach.halo
        if at_once is not None and max(shape[1:]) > at_once:
            back = measure_reach(inner, shape[0], context_shape[0] if context_shape else 0, backward=True)
            both = Reach(max(reach.halo, back.halo), max(reach.step, back.step))
            high, wide = (cut(side, at_once, both) for side in shape[1:])
            self._parts = (high, wide)

    @property
    def traits(self) -> BijectorTraits:  # type: ignore[override]  # the inner bijector's, on whole tiles
        biased = self._narrow and self.tiles > 1
        inner = self.inner.traits
        return replace(inner, pointwise=False, loss_is_likelihood=inner.loss_is_likelihood and not biased)

    @property
    def tiles(self) -> int:
        """Number of tiles of an image; 1: the image is computed as a whole."""
        return self._rows.count * self._columns.count

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        if not self._in_parts or call.training:
            return self.inner(x, _to_size(context, x), call)
        zeros = torch.zeros_like(x, dtype=log_det_dtype(x))
        z, contributions = self.forward_with_contributions(x, zeros, context, call)
        return z, contributions.flatten(1).sum(1)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        context = _to_size(context, x)
        if not self._in_parts or call.training:
            return self.inner.forward_with_contributions(x, contributions, context, call)
        if call.mode == "initialise":
            self._initialise(x, context, call)
            call = EVALUATION
        z, gathered = torch.empty_like(x), torch.empty_like(contributions)
        for window, tile, inside in self._windows():
            cut = None if context is None else context[window]
            found, shares = self.inner.forward_with_contributions(x[window], contributions[window], cut, call)
            z[tile], gathered[tile] = found[inside], shares[inside]
        return z, gathered

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        context = _to_size(context, z)
        if not self._in_parts or call.training:
            return self.inner.inverse(z, context, call)
        x = torch.empty_like(z)
        for window, tile, inside in self._windows():
            cut = None if context is None else context[window]
            x[tile] = self.inner.inverse(z[window], cut, call)[inside]
        return x

    @property
    def _in_parts(self) -> bool:
        """Whether images are computed tile by tile outside of training."""
        return any(each.count > 1 for each in self._parts)

    def _windows(self) -> Iterator[tuple[Place, Place, Place]]:
        """Yield the window of each tile, the tile's place in the image, and its place in the window."""
        rows, columns = self._parts
        for down, across in itertools.product(rows.windows(), columns.windows()):
            window, tile, inside = ((..., *each) for each in zip(down, across, strict=True))
            yield window, tile, inside

    def _initialise(self, x: Images, context: Images | None, call: Call) -> None:
        """Let the inner bijector take its state from a window of each image, another one for each."""
        windows = [window for window, _, _ in self._windows()]
        chosen = [windows[place % len(windows)] for place in range(len(x))]
        crops = torch.stack([image[window] for image, window in zip(x, chosen, strict=True)])
        given = None
        if context is not None:
            given = torch.stack([each[window] for each, window in zip(context, chosen, strict=True)])
        self.inner(crops, given, call)

    def loss(self, x: Images, context: Images | None = None, call: Call = EVALUATION) -> PerImage:
        """Return the loss, ``(B,)``: in training an estimate from one tile of each image, otherwise exact."""
        context = _to_size(context, x)
        if not call.training or self.tiles == 1:
            return self.inner.loss(x, context, call)
        draws = call.uniform(torch.empty((x.shape[0], 2), dtype=torch.float32, device=x.device))
        rows, in_rows = self._rows.places(_choose(draws[:, 0], self._rows.count))
        columns, in_columns = self._columns.places(_choose(draws[:, 1], self._columns.count))
        inside = (in_rows[:, :, None] & in_columns[:, None, :])[:, None]
        crop = _gather(x, rows, columns)
        zeros = torch.zeros_like(crop, dtype=log_det_dtype(x))
        crop_context = None if context is None else _gather(context, rows, columns)
        on_crop, ledger = call.collecting()
        z, contributions = self.inner.forward_with_contributions(crop, zeros, crop_context, on_crop)
        # Regularisers are weighted by the size of their input.
        grown = x[0].numel() / crop[0].numel()
        ledger.penalties = {name: grown * value for name, value in ledger.penalties.items()}
        call.absorb(ledger)
        terms = contributions - 0.5 * (z.to(contributions.dtype).square() + math.log(2.0 * math.pi))
        return -self.tiles * torch.where(inside, terms, 0.0).flatten(1).sum(1)


def build_crops(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    inner: Annotated[
        BijectorSpec, Field(description="Bijector that is trained on crops; it must be convolutional.")
    ],
    size: Annotated[int, Field(ge=2, description="Largest side of a tile.")],
    halo: Annotated[
        int | None,
        Field(
            ge=0,
            description=(
                "Width of the border around a tile. None: as wide as inner "
                "sees. A narrower one biases the loss."
            ),
        ),
    ] = None,
    at_once: Annotated[
        int | None,
        Added(before=None),
        Field(
            ge=2,
            description="Largest side of an image that is computed at once outside of training; larger ones "
            "are computed in tiles, which needs less memory. None: any.",
        ),
    ] = 256,
) -> Crops:
    """Build :class:`Crops`."""
    brought = None if context_shape is None else (context_shape[0], shape[1], shape[2])
    made = builder.bijector(inner, shape, brought)
    return Crops(made, shape, brought, size=size, halo=halo, at_once=at_once)


def _require_croppable(inner: ConditionalBijector) -> None:
    name = type(inner).__name__
    if not inner.traits.has_contributions:
        raise OptionError(
            f"crops: {name} cannot compute each dimension's contribution to log_det, which the loss on crops "
            "needs. Use another inner bijector, or train without crops"
        )
    if not inner.traits.loss_is_likelihood:
        raise OptionError(
            f"crops: {name} does not train on its likelihood, which is what crops estimate. "
            "Set its objective=likelihood, or train without crops"
        )


def _to_size(context: Images | None, like: Images) -> Images | None:
    """Resize a context to the height and width of the data."""
    if context is None or context.shape[-2:] == like.shape[-2:]:
        return context
    return F.interpolate(context, size=like.shape[-2:], mode="nearest")


def _choose(draws: Tensor, count: int) -> Tensor:
    """Turn draws from ``U[0, 1)`` to places in ``{0, ..., count - 1}``."""
    return (draws * count).long().clamp(max=count - 1)


def _gather(images: Images, rows: Tensor, columns: Tensor) -> Images:
    """Return each image's window, ``(B, C, rows, columns)``."""
    batch, channels = images.shape[:2]
    which = torch.arange(batch, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[:, None, None]
    return images[which, channel, rows[:, None, :, None], columns[:, None, None, :]]
