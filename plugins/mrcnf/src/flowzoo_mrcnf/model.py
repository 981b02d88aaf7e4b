"""MRCNF: a cascade of volume-preserving details, each level a continuous flow given the coarse image."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.api import BijectorSpec, Builder, Level, Shape, Spec, SplitSpec, TransformSpec, cascade


def build_mrcnf(
    image_shape: Shape,
    builder: Builder,
    *,
    levels: Annotated[int, Field(ge=1, le=12, description="resolutions, the coarsest included")] = 3,
    transform: Annotated[TransformSpec, Field(description="between resolutions")] = Spec("unimodular"),
    split: Annotated[SplitSpec, Field(description="into coarse image and details")] = Spec(
        "keep-first-channels", divisor=4
    ),
    bijector: Annotated[
        BijectorSpec, Field(description="details given the coarse image; the coarsest image on its own")
    ] = Spec("cnf", blocks=2, objective="flow-matching", kinetic=0.01, jacobian=0.01),
) -> list[Level]:
    """Build the levels of MRCNF.

    The paper's networks and regularisers; trained by flow matching unless ``bijector.objective=likelihood``
    is set.

    Raises:
        ShapeError: Height or width cannot be halved ``levels - 1`` times.

    References:
        Voleti et al., "Multi-Resolution Continuous Normalizing Flows", 2024.
    """
    return cascade(image_shape, builder, levels=levels, transform=transform, split=split, bijector=bijector)
