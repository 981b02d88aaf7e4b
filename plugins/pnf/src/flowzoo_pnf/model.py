"""PNF: a cascade that halves one axis at a time, each level a coupling flow given the coarse image."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.api import BijectorSpec, Builder, Level, Shape, Spec, SplitSpec, TransformSpec, cascade

WIDTH_THEN_HEIGHT = [Spec("axis", axis="width"), Spec("axis", axis="height")]


def build_pnf(
    image_shape: Shape,
    builder: Builder,
    *,
    levels: Annotated[
        int, Field(ge=1, le=24, description="resolutions, the coarsest included; each halves one axis")
    ] = 5,
    transform: Annotated[
        TransformSpec | Annotated[list[TransformSpec], Field(min_length=1)],
        Field(description="between resolutions; several take turns, the first at the finest"),
    ] = WIDTH_THEN_HEIGHT,
    split: Annotated[SplitSpec, Field(description="into coarse image and details")] = Spec("halves"),
    bijector: Annotated[
        BijectorSpec, Field(description="details given the coarse image; the coarsest image on its own")
    ] = Spec("realnvp"),
    last: Annotated[
        BijectorSpec | None, Field(description="over the coarsest image; by default the bijector")
    ] = None,
) -> list[Level]:
    """Build the levels of PNF: ``Delta`` of each axis in turn given ``S``, and a flow for the coarsest ``S``.

    Raises:
        ShapeError: Width and height cannot be halved in turn ``levels - 1`` times.

    References:
        "PNF: Progressive normalizing flows", INNF+ 2021.
    """
    return cascade(
        image_shape, builder, levels=levels, transform=transform, split=split, bijector=bijector, last=last
    )
