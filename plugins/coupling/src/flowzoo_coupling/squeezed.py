"""A bijector on the squeezed view of an image."""

from __future__ import annotations

from typing import NamedTuple, final

from flowzoo.api import (
    EVALUATION,
    BijectorTraits,
    Call,
    ConditionalBijector,
    Images,
    PerImage,
    Shape,
    Squeeze,
)


class View(NamedTuple):
    """What a bijector on a squeezed view works on: its shape, and its context's if it has one."""

    shape: Shape
    context_shape: Shape | None
    squeezes_context: bool


def squeezed_view(shape: Shape, context_shape: Shape | None) -> View | None:
    """Return the squeezed view of images of ``shape``; None if the height or the width is odd.

    A context that is no smaller than the image is squeezed with it, so that none of its pixels is lost.
    """
    _, height, width = shape
    if height % 2 or width % 2:
        return None
    squeeze = Squeeze()
    if context_shape is None or not _squeezes(context_shape, height, width):
        return View(squeeze.output_shape(shape), context_shape, False)
    return View(squeeze.output_shape(shape), squeeze.output_shape(context_shape), True)


@final
class OnSqueezed(ConditionalBijector):
    """Squeezes, applies a bijector, and undoes the squeeze, so that shapes stay as they are.

    Args:
        inner: Works on the view.
        view: What :func:`squeezed_view` returned.
    """

    def __init__(self, inner: ConditionalBijector, view: View) -> None:
        super().__init__()
        self.inner = inner
        self.squeeze = Squeeze()
        self.squeezes_context = view.squeezes_context

    @property
    def traits(self) -> BijectorTraits:  # type: ignore[override]  # the inner bijector's
        return self.inner.traits

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        z, log_det = self.inner(self.squeeze(x)[0], self._context(context), call)
        return self.squeeze.inverse(z), log_det

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        z, contributions = self.inner.forward_with_contributions(
            self.squeeze(x)[0], self.squeeze(contributions)[0], self._context(context), call
        )
        return self.squeeze.inverse(z), self.squeeze.inverse(contributions)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return self.squeeze.inverse(self.inner.inverse(self.squeeze(z)[0], self._context(context), call))

    def _context(self, context: Images | None) -> Images | None:
        return self.squeeze(context)[0] if context is not None and self.squeezes_context else context


def _squeezes(context_shape: Shape, height: int, width: int) -> bool:
    _, context_height, context_width = context_shape
    even = context_height % 2 == 0 and context_width % 2 == 0
    return even and context_height >= height and context_width >= width
