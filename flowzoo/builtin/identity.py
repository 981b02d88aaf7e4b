"""The identities: what a level uses where there is nothing to do."""

from __future__ import annotations

from typing import final

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.log_det import constant_log_det
from flowzoo.call import EVALUATION, Call
from flowzoo.component import Builder
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.traits import BijectorTraits, TransformTraits
from flowzoo.transform import ResolutionTransform


@final
class IdentityTransform(ResolutionTransform):
    """Leaves the image as it is: ``y = x``, ``log_det = 0``."""

    traits = TransformTraits(permutes=True)

    def forward(self, x: Images, call: Call = EVALUATION) -> tuple[Images, PerImage]:
        return x, constant_log_det(x, 0.0)

    def inverse(self, y: Images, call: Call = EVALUATION) -> Images:
        return y

    def output_shape(self, shape: Shape) -> Shape:
        return shape


@final
class IdentityBijector(ConditionalBijector):
    """Leaves the data as they are: ``z = x``, ``log_det = 0``, whatever the context."""

    traits = BijectorTraits(pointwise=True, has_contributions=True)

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        return x, constant_log_det(x, 0.0)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        return x, contributions

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        return z


def build_identity_transform(shape: Shape, builder: Builder) -> IdentityTransform:
    """Build :class:`IdentityTransform`."""
    return IdentityTransform()


def build_identity_bijector(shape: Shape, context_shape: Shape | None, builder: Builder) -> IdentityBijector:
    """Build :class:`IdentityBijector`."""
    return IdentityBijector()
