"""A bijector on data that are whitened in closed form, given a context or not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Literal, final

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from flowzoo import checked
from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.first_pass import FirstPass
from flowzoo.builtin.linear_gaussian import linear_gaussian
from flowzoo.builtin.log_det import MatrixLogDet, constant_log_det, log_det_dtype
from flowzoo.builtin.moments import Moments
from flowzoo.builtin.open_fits import Fitted, open_moments, refit
from flowzoo.call import EVALUATION, Call
from flowzoo.component import Added, BijectorSpec, Builder
from flowzoo.errors import ShapeError
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.traits import BijectorTraits

Kernel = Literal[1, 3, 5, 7]

KERNEL: Kernel = 3
WHOLE = 0
IMAGES = 4096

ROWS = 32
"""Number of images for each value of an image that is whitened as a whole; fewer are few."""

NOTICEABLE = 0.05
"""Shrinkage above which training and a diagnosis advise more images."""

FEW_IMAGES = (
    "the whitening was fitted to few images, so it keeps less of the data's correlations. "
    "Train on more images, or set normalise=standardise."
)

SHRUNK = (
    "the whitening keeps less of the data's correlations, as it should where values have hardly any. If it "
    "was fitted to few images, train on more, or set normalise=standardise."
)

TOO_LARGE = (
    "a side of a context is shorter than kernel={kernel}, so along it the whitening uses no neighbours. "
    "Set a smaller kernel to use them."
)

SIDE = 64
"""Number of places along a side of an image that the fit uses at most."""

_NUMBERS = 2**23
"""How many numbers are in memory at once while moments are gathered."""


@final
class Whiten(ConditionalBijector, Fitted):
    """Gives a bijector white data, and a context of mean 0 and spread 1 per channel.

        z = inner(w | c'),   w = S^(-1/2) (x - b - A * c'),   c' = (c - m_c) / s_c
        log_det = log_det(inner) - places / 2 log det S

    ``b + A * c'`` is the mean of ``x``, predicted by least squares. ``S`` is the covariance of what is left.
    Without a context ``A = 0``. ``S^(-1/2)`` is symmetric, so every value stays where it is.

    An image of few values can be whitened as a whole: ``A`` is a matrix over all values of the context, and
    ``S`` covers all values of the image. Otherwise ``A`` is a convolution over the context, and ``S`` covers
    the values at one place. The places are those of the context. If ``x`` has a higher resolution than the
    context, a block of pixels belongs to one place. Without a context a place is a block of ``block`` pixels
    a side, cut at a fixed grid.

    The fit is computed in closed form from the first images of the first pass, and nothing of it trains. Each
    place of an image counts as a row of data; of a large image, places on a grid of up to 64x64. With few
    rows the correlations are shrunk (:func:`~flowzoo.builtin.linear_gaussian.linear_gaussian`), which a
    diagnosis shows.

    At the border of the context its outermost values are repeated. Along a side that is shorter than the
    kernel, the neighbourhood is one value, since most of it would be repeated values.

    Args:
        inner: The bijector; it decides the loss.
        shape: ``(C, H, W)`` of the data.
        context_shape: Shape of the context, or None without one.
        kernel: Side of the neighbourhood.
        whole: An image is whitened as a whole if it has at most this many values, and its context too.
        images: Largest number of images that the fit uses. For an image that is whitened as a whole it is at
            least :data:`ROWS` for each of its values and of the context's.
        block: Side in pixels of a place where there is no context. Along a side of the image that it does
            not divide, its largest smaller value that does.
        ends: Whether nothing follows this bijector. ``inner`` is then left out of the first pass as soon as
            it asks for no more images.

    Raises:
        NotInitialisedError: On use before the first pass.
        ShapeError: An image cannot be cut into the blocks that the bijector was built for.
    """

    slope: Tensor
    intercept: Tensor
    whitening: Tensor
    shrinkage: Tensor

    def __init__(
        self,
        inner: ConditionalBijector,
        shape: Shape,
        context_shape: Shape | None = None,
        *,
        kernel: Kernel = KERNEL,
        whole: int = WHOLE,
        images: int = IMAGES,
        block: int = 1,
        ends: bool = False,
    ) -> None:
        super().__init__()
        self.inner = inner
        self.images = images
        self.ends = ends
        channels, *sides = shape
        self.whole = math.prod(shape) <= whole and (not context_shape or math.prod(context_shape) <= whole)
        if self.whole:
            self.block = (sides[0], sides[1])
        elif context_shape is None:
            self.block = (_divisor(sides[0], block), _divisor(sides[1], block))
        else:
            self.block = (_ratio(sides[0], context_shape[1]), _ratio(sides[1], context_shape[2]))
        places = [side // block for side, block in zip(sides, self.block, strict=True)]
        window = [kernel if kernel <= side else 1 for side in places]
        values = channels * math.prod(self.block)
        features = 0 if context_shape is None else math.prod(context_shape[: 3 if self.whole else 1])
        self.register_buffer("slope", torch.zeros(values, features, *window))
        if self.whole:
            self.images = max(images, ROWS * (values + features))
        self.register_buffer("intercept", torch.zeros(values))
        self.register_buffer("whitening", torch.eye(values))
        self.register_buffer("shrinkage", torch.zeros(()))
        self.context_scale = ActNorm(context_shape[0], trainable=False) if context_shape else None
        self.first_pass = FirstPass("whiten")
        self._log_det = MatrixLogDet()
        self._inner_asks = True
        self._rows_for_a_value = math.inf
        # Along a side below the smallest neighbourhood no kernel would have one.
        smaller_would_fit = features > 0 and any(KERNEL <= side < kernel for side in places)
        self._too_large = TOO_LARGE.format(kernel=kernel) if smaller_would_fit else ""

    def extra_repr(self) -> str:
        return f"block={self.block}, kernel={tuple(self.slope.shape[2:])}"

    @property
    def traits(self) -> BijectorTraits:  # type: ignore[override]  # the inner bijector's
        return replace(self.inner.traits, pointwise=False)

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        given = self._standardise_context(context, call)
        if call.mode == "initialise" and self.ends:
            return self._first_pass(x, given, call)
        w, own_log_det = self._whiten(x, given, call)
        z, log_det = checked.forward(self.inner, w, given, call)
        return z, log_det + own_log_det

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        given = self._standardise_context(context, call)
        w, _ = self._whiten(x, given, call)
        stretch, axes = torch.linalg.eigh(self.whitening.to(log_det_dtype(x)))
        own = (axes.square() @ stretch.log()).to(contributions.dtype)
        by_place = self._to_places(contributions) + own[:, None, None]
        return checked.forward_with_contributions(self.inner, w, self._from_places(by_place), given, call)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        given = self._standardise_context(context, call)
        w = checked.inverse(self.inner, z, given, call)
        self.end_first_pass()
        self.first_pass.require()
        with torch.autocast(w.device.type, enabled=False):
            values = self._to_places(w.to(log_det_dtype(w)))
            whitening = self.whitening.to(values.dtype)
            centred = torch.linalg.solve(whitening, values.transpose(0, 1).flatten(1))
            centred = centred.unflatten(1, (w.shape[0], *values.shape[2:])).transpose(0, 1)
            return self._from_places(centred + self._mean(values, given)).to(z.dtype)

    def loss(self, x: Images, context: Images | None = None, call: Call = EVALUATION) -> PerImage:
        given = self._standardise_context(context, call)
        w, log_det = self._whiten(x, given, call)
        return checked.loss(self.inner, w, given, call) - log_det

    def _whiten(self, x: Images, given: Images | None, call: Call) -> tuple[Images, PerImage]:
        # Rounded to half precision, the difference from the mean would be lost.
        with torch.autocast(x.device.type, enabled=False):
            values = self._to_places(x.to(log_det_dtype(x)))
            self._take_in(values, given, call)
            self.first_pass.require()
            whitening = self.whitening.to(values.dtype)
            w = F.conv2d(values - self._mean(values, given), whitening[:, :, None, None])
            log_det = values.shape[2:].numel() * self._log_det.of(self.whitening, values.dtype)
        if call.solver.findings is not None and not call.training:
            self._report(call)
        return self._from_places(w).to(x.dtype), log_det.repeat(x.shape[0])

    def _mean(self, values: Tensor, given: Images | None) -> Tensor:
        """Return the predicted mean of the values at every place."""
        intercept = self.intercept.to(values.dtype)
        if given is None:
            return intercept[:, None, None]
        return F.conv2d(self._surroundings(values, given), self.slope.to(values.dtype), intercept)

    def _surroundings(self, values: Tensor, given: Images) -> Images:
        """Return the context at the resolution of the places, with as much around it as the kernel sees.

        A context that is taken as a whole is one place with many channels.
        """
        given = given.to(values.dtype)
        if self.whole:
            return self._as_one_place(given)
        if given.shape[2:] != values.shape[2:]:
            given = F.adaptive_avg_pool2d(given, (values.shape[2], values.shape[3]))
        rows, columns = (side // 2 for side in self.slope.shape[2:])
        return F.pad(given, (columns, columns, rows, rows), mode="replicate")

    def _standardise_context(self, context: Images | None, call: Call) -> Images | None:
        if context is None or self.context_scale is None:
            return None
        return self.context_scale(context, None, call)[0]

    @torch.no_grad()
    def _take_in(self, everywhere: Tensor, given: Images | None, call: Call) -> None:
        """Add a batch of the first pass to the fit, until there have been enough images."""
        moments = open_moments(self, call)
        steps = (_spacing(everywhere.shape[2]), _spacing(everywhere.shape[3]))
        values = everywhere[:, :, :: steps[0], :: steps[1]]
        places = values.shape[2:].numel()
        enough = self.images * places
        if moments is None or moments.count >= enough:
            return
        features = self.slope[0].numel()
        at_once = max(1, _NUMBERS // (places * (features + len(self.intercept))))
        for start in range(0, len(values), at_once):
            part = slice(start, start + at_once)
            rows = values[part].flatten(2)
            if given is not None:
                surroundings = self._surroundings(everywhere[part], given[part])
                rows = torch.cat([F.unfold(surroundings, self.slope.shape[2:], stride=steps), rows], dim=1)
            moments.update(rows.transpose(1, 2).flatten(0, 1))
        if self._inner_asks or moments.count >= enough:
            refit(self, at_once=moments.count >= enough)
        if moments.count < enough:
            call.want_more()

    def fit(self, moments: Moments) -> None:
        """See :meth:`flowzoo.builtin.open_fits.Fitted.fit`."""
        fit = linear_gaussian(moments, self.slope[0].numel())
        self.slope.copy_(fit.slope.reshape(self.slope.shape))
        self.intercept.copy_(fit.intercept)
        self.whitening.copy_(fit.whitening)
        self.shrinkage.fill_(fit.shrinkage)
        self._rows_for_a_value = moments.count / (self.slope[0].numel() + len(self.intercept))

    def end_first_pass(self) -> None:
        """See :meth:`flowzoo.first_pass_end.EndsFirstPass.end_first_pass`."""
        super().end_first_pass()
        self._inner_asks = True

    def remark(self) -> str:
        """See :meth:`flowzoo.first_pass_end.EndsFirstPass.remark`."""
        # Values without correlations are shrunk too, however many images there are.
        few = self._rows_for_a_value < ROWS and self._shrunk() > NOTICEABLE
        return FEW_IMAGES if few else self._too_large

    def _shrunk(self) -> float:
        """Return the shrinkage; 0 for a single value, which has no correlations."""
        return float(self.shrinkage) if self.slope[0].numel() + len(self.intercept) > 1 else 0.0

    def _first_pass(self, x: Images, given: Images | None, call: Call) -> tuple[Images, PerImage]:
        """Gather the fit, and let the inner bijector see the batch if it asks for one; no result is used."""
        if not self._inner_asks:
            self._take_in(self._to_places(x.to(log_det_dtype(x))), given, call)
            return x, constant_log_det(x, 0.0)
        w, own_log_det = self._whiten(x, given, call)
        own, ledger = call.collecting()
        z, log_det = checked.forward(self.inner, w, given, own)
        self._inner_asks = ledger.wants_more
        call.absorb(ledger)
        return z, log_det + own_log_det

    def _report(self, call: Call) -> None:
        shrinkage = self._shrunk()
        call.solver.find(
            self, "whitening", {"shrinkage": shrinkage}, advice=[SHRUNK] if shrinkage > NOTICEABLE else []
        )

    def _as_one_place(self, given: Images) -> Tensor:
        if given.shape[1:].numel() != self.slope.shape[1]:
            raise ShapeError(
                f"whiten was built for a context of {self.slope.shape[1]} values, not of shape "
                f"{tuple(given.shape[1:])}. Use images of the shape that the model was built for"
            )
        return given.flatten(1)[:, :, None, None]

    def _to_places(self, x: Images) -> Tensor:
        """Return the values of each block as the channels of one place."""
        (rows, columns), (height, width) = self.block, x.shape[2:]
        if height % rows or width % columns or x.shape[1] * rows * columns != len(self.intercept):
            raise ShapeError(
                f"whiten was built for blocks of {rows}x{columns} pixels with {len(self.intercept)} values, "
                f"and cannot cut an image of shape {tuple(x.shape[1:])} into them. "
                "Use images of the shape that the model was built for"
            )
        if self.block == (1, 1):
            return x
        blocks: Tensor = x.reshape(x.shape[0], -1, height // rows, rows, width // columns, columns)
        return blocks.permute(0, 3, 5, 1, 2, 4).flatten(1, 3)

    def _from_places(self, values: Tensor) -> Images:
        """Undo :meth:`_to_places`."""
        if self.block == (1, 1):
            return values
        blocks: Tensor = values.unflatten(1, (*self.block, -1))
        return blocks.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)


def build_whiten(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    inner: Annotated[BijectorSpec, Field(description="Bijector of the whitened data.")],
    kernel: Annotated[
        Kernel,
        Field(
            description="Side of the neighbourhood in the context that predicts the mean. Along a side that "
            "is shorter, the neighbourhood is one value."
        ),
    ] = KERNEL,
    whole: Annotated[
        int,
        Field(
            ge=0,
            description="An image of at most so many values, with a context of at most so many, is whitened "
            "as a whole, a larger one place by place. 0: every image place by place.",
        ),
    ] = WHOLE,
    images: Annotated[
        int,
        Field(
            ge=1,
            description="Number of images of the first pass that the fit uses, at most; "
            "for an image that is whitened as a whole at least 32 for each value.",
        ),
    ] = IMAGES,
    block: Annotated[
        int,
        Added(before=1),
        Field(
            ge=1,
            description="Without a context: side in pixels of the blocks that are whitened, each as a whole. "
            "Along a side that it does not divide, the next smaller one that does.",
        ),
    ] = 1,
) -> Whiten:
    """Build :class:`Whiten`."""
    return Whiten(
        builder.bijector(inner, shape, context_shape),
        shape,
        context_shape,
        kernel=kernel,
        whole=whole,
        images=images,
        block=block,
    )


def _divisor(side: int, at_most: int) -> int:
    """Return the largest divisor of a side that is not above ``at_most``."""
    return next(each for each in range(min(side, at_most), 0, -1) if side % each == 0)


def _ratio(side: int, of_context: int) -> int:
    """Return how many pixels of the data stand beside one of the context; 1 where they do not fit evenly."""
    return side // of_context if side % of_context == 0 else 1


def _spacing(side: int) -> int:
    """Return the distance of the places that the fit uses along a side.

    It is odd, since the codes of photographs repeat every 8 or 16 pixels.
    """
    return 1 if side <= SIDE else math.ceil(side / SIDE) | 1
