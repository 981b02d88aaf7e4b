"""RealNVP and Glow: cascades of bijectors over the whole image, of which half is factored out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.api import BijectorSpec, Builder, Level, Shape, Spec, SplitSpec, TransformSpec, cascade

Levels = Annotated[int, Field(ge=1, le=12, description="resolutions, the coarsest included")]
Transform = Annotated[TransformSpec, Field(description="between resolutions, before the joint")]
Joint = Annotated[BijectorSpec, Field(description="over each level's image, before it is split")]
Split = Annotated[SplitSpec, Field(description="into what goes on and what is factored out")]
Bijector = Annotated[BijectorSpec, Field(description="what is factored out, given what goes on")]
Last = Annotated[BijectorSpec, Field(description="over the coarsest image")]


def build_realnvp_model(
    image_shape: Shape,
    builder: Builder,
    *,
    levels: Levels = 3,
    transform: Transform = Spec("identity"),
    joint: Joint = Spec("realnvp"),
    split: Split = Spec("channel"),
    bijector: Bijector = Spec("identity"),
    last: Last = Spec("realnvp", checkerboard=4, channel=0),
) -> list[Level]:
    """Build the levels of RealNVP.

    Raises:
        ShapeError: Height or width cannot be halved ``levels - 1`` times.

    References:
        Dinh et al., Density Estimation Using Real NVP, 2017, section 3.6.
    """
    return cascade(
        image_shape,
        builder,
        levels=levels,
        transform=transform,
        joint=joint,
        split=split,
        bijector=bijector,
        last=last,
    )


def build_glow_model(
    image_shape: Shape,
    builder: Builder,
    *,
    levels: Levels = 3,
    transform: Transform = Spec("identity"),
    joint: Joint = Spec("glow", squeeze=True),
    split: Split = Spec("channel"),
    bijector: Bijector = Spec("conditional-affine"),
    last: Last = Spec("glow", squeeze=True),
) -> list[Level]:
    """Build the levels of Glow.

    Raises:
        ShapeError: Height or width cannot be halved ``levels - 1`` times.

    References:
        Kingma and Dhariwal, Glow, 2018, section 3 and figure 2.
    """
    return cascade(
        image_shape,
        builder,
        levels=levels,
        transform=transform,
        joint=joint,
        split=split,
        bijector=bijector,
        last=last,
    )
