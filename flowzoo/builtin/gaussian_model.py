"""The floor that every model has to beat: one Gaussian over the whole image."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.builtin.gaussian import Gaussian
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.component import Builder
from flowzoo.level import Level
from flowzoo.shapes import Shape


def build_gaussian_model(
    shape: Shape,
    builder: Builder,
    *,
    ridge: Annotated[
        float,
        Field(
            gt=0.0,
            lt=1.0,
            description=(
                "Part of the mean variance that is added where rounding makes the covariance singular."
            ),
        ),
    ] = 1e-8,
) -> list[Level]:
    """Build one level whose conditional is a :class:`~flowzoo.builtin.gaussian.Gaussian`.

    It has no parameters: the first pass over the data fits it.
    """
    return [Level(IdentityTransform(), IdentityBijector(), KeepNothing(), Gaussian(shape, ridge=ridge))]
