"""Wavelet Flow: a cascade of Haar details, each level Glow's steps given the coarse image."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.api import BijectorSpec, Builder, Level, Shape, Spec, SplitSpec, TransformSpec, cascade


def build_wavelet_flow(
    image_shape: Shape,
    builder: Builder,
    *,
    levels: Annotated[int, Field(ge=1, le=12, description="resolutions, the coarsest included")] = 3,
    transform: Annotated[TransformSpec, Field(description="between resolutions")] = Spec("haar"),
    split: Annotated[SplitSpec, Field(description="into coarse image and details")] = Spec(
        "keep-first-channels", divisor=4
    ),
    bijector: Annotated[BijectorSpec, Field(description="details given the coarse image")] = Spec(
        "glow", steps=8, network=Spec("glow-conv", hidden=64)
    ),
    last: Annotated[BijectorSpec, Field(description="the coarsest image on its own")] = Spec(
        "glow", steps=8, squeeze=True, network=Spec("glow-conv", hidden=64)
    ),
    crop: Annotated[
        int | None, Field(ge=2, description="train larger details on tiles of at most this side")
    ] = None,
    halo: Annotated[
        int | None,
        Field(ge=0, description="around tiles; none: as wide as the bijector looks, else a biased loss"),
    ] = None,
) -> list[Level]:
    """Build the levels of Wavelet Flow.

    No level has parameters that another's loss depends on, so each can train on its own.

    Raises:
        ShapeError: Height or width cannot be halved ``levels - 1`` times.
        OptionError: The bijector cannot be trained on crops.

    References:
        Yu, Derpanis and Brubaker, "Wavelet Flow: Fast Training of High Resolution Normalizing Flows", 2020.
    """
    if crop is not None:
        bijector = Spec("crops", inner=bijector, size=crop, halo=halo)
    return cascade(
        image_shape, builder, levels=levels, transform=transform, split=split, bijector=bijector, last=last
    )
