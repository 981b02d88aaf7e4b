"""A bijector on the squeezed view of an image."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, final

from flowzoo import checked
from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.squeeze import Squeeze
from flowzoo.call import EVALUATION, Call
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.traits import BijectorTraits


class View(NamedTuple):
    """What a bijector on a squeezed view works on.

    Attributes:
        shape: Shape of the view.
        context_shape: Shape of the context beside it, or None without one.
        squeezes_context: Whether the context is squeezed too.
    """

    shape: Shape
    context_shape: Shape | None
    squeezes_context: bool


def squeezed_view(shape: Shape, context_shape: Shape | None) -> View | None:
    """Return the squeezed view of images of ``shape``; None if the height or the width is odd.

    A context that is no smaller than the image is squeezed with it, so that none of its pixels is lost.

    Args:
        shape: ``(C, H, W)`` of the images.
        context_shape: Shape of the context, or None without one.

    >>> squeezed_view((1, 4, 4), None).shape
    (4, 2, 2)
    """
    _, height, width = shape
    if height % 2 or width % 2:
        return None
    squeeze = Squeeze()
    if context_shape is None or not _squeezes(context_shape, height, width):
        return View(squeeze.output_shape(shape), context_shape, False)
    return View(squeeze.output_shape(shape), squeeze.output_shape(context_shape), True)


@final
class Squeezed(ConditionalBijector):
    """Squeezes, applies a bijector, and undoes the squeeze, so that shapes stay as they are.

    ``z = squeeze^-1(inner(squeeze(x) | c))``, ``log_det = log_det(inner)``

    Args:
        inner: The bijector, built for the shapes of the view. It decides the loss.
        view: The view, from :func:`squeezed_view`.
    """

    def __init__(self, inner: ConditionalBijector, view: View) -> None:
        super().__init__()
        self.inner = inner
        self.squeeze = Squeeze()
        self.squeezes_context = view.squeezes_context

    @property
    def traits(self) -> BijectorTraits:  # type: ignore[override]  # the inner bijector's
        # What is one function for each channel of the view is four functions for a channel of the image.
        return replace(self.inner.traits, pointwise=False)

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        z, log_det = checked.forward(self.inner, self.squeeze.squeeze(x), self._context(context), call)
        return self.squeeze.inverse(z), log_det

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        z, contributions = checked.forward_with_contributions(
            self.inner,
            self.squeeze.squeeze(x),
            self.squeeze.squeeze(contributions),
            self._context(context),
            call,
        )
        return self.squeeze.inverse(z), self.squeeze.inverse(contributions)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        squeezed = self.squeeze.squeeze(z)
        return self.squeeze.inverse(checked.inverse(self.inner, squeezed, self._context(context), call))

    def loss(self, x: Images, context: Images | None = None, call: Call = EVALUATION) -> PerImage:
        return checked.loss(self.inner, self.squeeze.squeeze(x), self._context(context), call)

    def _context(self, context: Images | None) -> Images | None:
        return self.squeeze.squeeze(context) if context is not None and self.squeezes_context else context


def _squeezes(context_shape: Shape, height: int, width: int) -> bool:
    _, context_height, context_width = context_shape
    even = context_height % 2 == 0 and context_width % 2 == 0
    return even and context_height >= height and context_width >= width
