"""MSFlow-Image: an image at every resolution, each a continuous flow given the next coarser one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.api import BijectorSpec, Builder, Level, Shape, Spec, SplitSpec, TransformSpec, cascade


def build_msflow_image(
    image_shape: Shape,
    builder: Builder,
    *,
    levels: Annotated[int, Field(ge=1, le=12, description="resolutions, the coarsest included")] = 3,
    transform: Annotated[TransformSpec, Field(description="between resolutions")] = Spec("pyramid"),
    split: Annotated[SplitSpec, Field(description="into coarse and fine image")] = Spec("pyramid"),
    bijector: Annotated[
        BijectorSpec, Field(description="fine image given the coarse one; the coarsest image on its own")
    ] = Spec("cnf", blocks=2, objective="flow-matching", kinetic=0.01, jacobian=0.01),
) -> list[Level]:
    """Build the levels of MSFlow-Image.

    The paper's networks and regularisers; trained by flow matching unless ``bijector.objective=likelihood``
    is set. Two blocks a level are its CIFAR-10 configuration for three and more scales.

    Raises:
        ShapeError: Height or width cannot be halved ``levels - 1`` times.

    References:
        "Multi-Scale Continuous Normalizing Flows", INNF+ 2021, equations 4 to 8, Table 1.
    """
    return cascade(image_shape, builder, levels=levels, transform=transform, split=split, bijector=bijector)
