"""MSFlow-Wavelet: a cascade of Haar details, each level a continuous flow given the coarse image."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.api import BijectorSpec, Builder, Level, Shape, Spec, SplitSpec, TransformSpec, cascade


def build_msflow_wavelet(
    image_shape: Shape,
    builder: Builder,
    *,
    levels: Annotated[int, Field(ge=1, le=12, description="resolutions, the coarsest included")] = 3,
    transform: Annotated[TransformSpec, Field(description="between resolutions")] = Spec("haar"),
    split: Annotated[SplitSpec, Field(description="into coarse image and details")] = Spec(
        "keep-first-channels", divisor=4
    ),
    bijector: Annotated[
        BijectorSpec, Field(description="details given the coarse image; the coarsest image on its own")
    ] = Spec("cnf", blocks=3, objective="flow-matching", kinetic=0.01, jacobian=0.01),
) -> list[Level]:
    """Build the levels of MSFlow-Wavelet.

    The paper's networks and regularisers; trained by flow matching unless ``bijector.objective=likelihood``
    is set. Three blocks a level are its CIFAR-10 configuration, two its ImageNet one.

    Raises:
        ShapeError: Height or width cannot be halved ``levels - 1`` times.

    References:
        "Multi-Scale Continuous Normalizing Flows", INNF+ 2021, equations 9 and 10, Table 1.
    """
    return cascade(image_shape, builder, levels=levels, transform=transform, split=split, bijector=bijector)
