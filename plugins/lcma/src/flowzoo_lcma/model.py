"""RealNVP with splits by likelihood contribution."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.api import BijectorSpec, Builder, Level, Shape, Spec, SplitSpec, TransformSpec, cascade


def build_lcma_model(
    image_shape: Shape,
    builder: Builder,
    *,
    levels: Annotated[int, Field(ge=1, le=12, description="resolutions, the coarsest included")] = 3,
    transform: Annotated[TransformSpec, Field(description="before each level's joint")] = Spec("identity"),
    joint: Annotated[BijectorSpec, Field(description="over the whole image, before it is split")] = Spec(
        "realnvp", checkerboard=4, channel=2
    ),
    split: Annotated[SplitSpec, Field(description="into what goes on and what is factored out")] = Spec(
        "lcma"
    ),
    bijector: Annotated[BijectorSpec, Field(description="what is factored out, given what goes on")] = Spec(
        "identity"
    ),
    last: Annotated[BijectorSpec, Field(description="the coarsest image")] = Spec(
        "realnvp", checkerboard=4, channel=0
    ),
) -> list[Level]:
    """Build RealNVP whose splits keep, of each 2x2 block, the two pixels that contribute most.

    Couplings come in pairs: with three masks A, B, A the pixels of B would be transformed twice, and score
    higher for that alone.

    References:
        Das et al., "Likelihood Contribution based Multi-scale Architecture for Generative Flows", 2019.
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
