"""Training on crops whose loss is, on average, that of the whole image."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from flowzoo.api import (
    EVALUATION,
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

    Args:
        inner: The inner bijector. It must be convolutional, with ``traits.has_contributions``.
        shape: ``(C, H, W)`` of the data.
        context_shape: Shape of the context, or None without one.
        size: Largest side of a tile.
        halo: Width of the halo; None: as wide as the inner bijector looks, which is measured.

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
    ) -> None:
        super().__init__()
        self.inner = inner
        self._narrow = False
        self._rows, self._columns = (whole(side) for side in shape[1:])
        if max(shape[1:]) <= size:
            return
        _require_croppable(inner)
        reach = measure_reach(inner, shape[0], context_shape[0] if context_shape else 0)
        used = reach if halo is None else Reach(min(halo, reach.halo), reach.step)
        self._rows, self._columns = (cut(side, size, used) for side in shape[1:])
        self._narrow = used.aligned(used.halo) < reach.halo

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
        return self.inner(x, _to_size(context, x), call)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        return self.inner.forward_with_contributions(x, contributions, _to_size(context, x), call)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return self.inner.inverse(z, _to_size(context, z), call)

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
) -> Crops:
    """Build :class:`Crops`."""
    brought = None if context_shape is None else (context_shape[0], shape[1], shape[2])
    return Crops(builder.bijector(inner, shape, brought), shape, brought, size=size, halo=halo)


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
