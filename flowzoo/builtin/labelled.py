"""A bijector that is given the label of each image, as part of its context."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from flowzoo import checked
from flowzoo.bijector import ConditionalBijector, Phase
from flowzoo.call import EVALUATION, Call
from flowzoo.errors import OptionError
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.traits import BijectorTraits


def with_planes(shape: Shape, context_shape: Shape | None, classes: int) -> Shape:
    """Return the shape of a context with a plane for each class behind it.

    Without a context the planes have the height and width of the data, and nothing stands before them.

    >>> with_planes((1, 8, 8), (2, 4, 4), 10), with_planes((1, 8, 8), None, 10)
    ((12, 4, 4), (10, 8, 8))
    """
    channels, height, width = context_shape or (0, *shape[1:])
    return channels + classes, height, width


@final
class Labelled(ConditionalBijector):
    """Adds the labels of the call to the context of a bijector.

        z = inner(x | c, planes(y)),   log_det = log_det(inner)

    There is a plane for each class: ones for the image's own class, zeros for the others. An image without a
    label has zeros in all of them. So the bijector is one of ``x`` given ``c``, for each label and without
    one.

    Args:
        inner: The bijector, built for a context of the shape that :func:`with_planes` returns. It decides
            the loss.
        classes: Number of classes.
    """

    def __init__(self, inner: ConditionalBijector, classes: int) -> None:
        super().__init__()
        self.inner = inner
        self.classes = classes

    def extra_repr(self) -> str:
        return f"classes={self.classes}"

    @property
    def traits(self) -> BijectorTraits:  # type: ignore[override]  # the inner bijector's
        return replace(self.inner.traits, classes=self.classes)

    @property
    def phases(self) -> tuple[Phase, ...]:  # type: ignore[override]  # the inner bijector's
        return self.inner.phases

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        return checked.forward(self.inner, x, self._given(x, context, call), call)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        given = self._given(x, context, call)
        return checked.forward_with_contributions(self.inner, x, contributions, given, call)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        given = self._given(z, context, call)
        if call.solver.guidance == 1.0:
            return checked.inverse(self.inner, z, given, call)
        if not self.traits.guides:
            return checked.inverse(self.inner, z, given, call.solving(guidance=1.0))
        unlabelled = self._given(z, context, replace(call, labels=None))
        both = torch.cat([unlabelled, given])
        return checked.inverse(self.inner, z.repeat(2, 1, 1, 1), both, call).chunk(2)[1]

    def loss(self, x: Images, context: Images | None = None, call: Call = EVALUATION) -> PerImage:
        return checked.loss(self.inner, x, self._given(x, context, call), call)

    def autoregressive_order(self, shape: Shape) -> list[int] | None:
        order = self.inner.autoregressive_order(shape)
        return None if order is None else list(order)

    def _given(self, x: Images, context: Images | None, call: Call) -> Images:
        """Return the context with the planes of the labels behind it."""
        like = x if context is None else context
        planes = self._planes(like, call.labels)
        return planes if context is None else torch.cat([context, planes], dim=1)

    def _planes(self, like: Images, labels: Tensor | None) -> Images:
        batch, _, height, width = like.shape
        if labels is None:
            return like.new_zeros((batch, self.classes, height, width))
        if labels.shape != (batch,):
            raise OptionError(
                f"there are labels of shape {tuple(labels.shape)} for {batch} images; give one for each"
            )
        numbers = torch.arange(self.classes, device=like.device)
        own = labels.to(like.device)[:, None] == numbers
        return own.to(like.dtype)[:, :, None, None].expand(batch, self.classes, height, width)
