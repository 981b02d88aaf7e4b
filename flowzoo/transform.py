"""The first interface: resolution transforms."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import nn

from flowzoo.call import EVALUATION, Call
from flowzoo.one_pass import BeginsPasses
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.traits import TransformTraits


class ResolutionTransform(BeginsPasses, nn.Module, ABC):
    """Rearranges an image so that a split can separate a coarse image from its details.

    ``y = T(x)``, with ``log_det = log |det dy/dx|``. A transform that halves the resolution lays its bands
    out offset-major: channel ``offset * C + c``, the coarse image first.

    A stochastic transform draws part of ``y``: its ``log_det`` is then ``-log q`` of the draw, and its
    inverse drops it.
    """

    traits: TransformTraits = TransformTraits()
    """The traits that it declares."""

    @abstractmethod
    def forward(self, x: Images, call: Call = EVALUATION) -> tuple[Images, PerImage]:
        """Transform images.

        Args:
            x: ``(B, C, H, W)``.
            call: Generator, mode and ledger of this pass.

        Returns:
            ``y`` of :meth:`output_shape`, and ``log_det``, ``(B,)``, in nats.
        """

    @abstractmethod
    def inverse(self, y: Images, call: Call = EVALUATION) -> Images:
        """Return the ``x`` of which ``y`` is the transform."""

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of ``y`` for images of ``shape``.

        Raises:
            ShapeError: Images of ``shape`` cannot be transformed.
        """
