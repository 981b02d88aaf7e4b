"""Wavelet Flow: a cascade of Haar details, which Glow's steps model given the coarse image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from flowzoo.api import Added, Builder, CascadeOptions, Level, OptionError, Shape, Spec, cascade_model


@dataclass(frozen=True, kw_only=True)
class WaveletFlowOptions(CascadeOptions):
    """The options of a cascade whose details can train on crops."""

    crop: Annotated[
        int | None,
        Field(ge=2, description="Train larger details on tiles of at most this side. None: on whole images."),
    ] = None
    halo: Annotated[
        int | None,
        Field(
            ge=0,
            description="With crop: width of the border around a tile. None: as wide as the bijector sees; "
            "a narrower one biases the loss.",
        ),
    ] = None
    at_once: Annotated[
        int | None,
        Added(before=256),
        Field(
            ge=2,
            description="With crop: largest side of details that are computed at once outside of training. "
            "Larger ones are computed in tiles, which needs less memory. None: any.",
        ),
    ] = 256


def build_wavelet_flow(image_shape: Shape, builder: Builder, *, options: WaveletFlowOptions) -> list[Level]:
    """Build the levels of Wavelet Flow.

    No level has parameters that another's loss depends on, so each can train on its own.

    Raises:
        ShapeError: Height or width cannot be halved ``levels - 1`` times.
        OptionError: The bijector cannot be trained on crops, or there is a halo without crops.

    References:
        Yu, Derpanis and Brubaker, "Wavelet Flow: Fast Training of High Resolution Normalizing Flows", 2020.
    """
    if options.crop is not None:
        cropped = {"size": options.crop, "halo": options.halo, "at_once": options.at_once}
        crops = Spec("crops", inner=options.bijector, **cropped)
        options = replace(options, bijector=crops)
    elif options.halo is not None:
        raise OptionError(
            f"halo={options.halo} is the border around a crop, and there is no crop. "
            "Set crop, such as crop=32, or leave halo out"
        )
    return cascade_model(image_shape, builder, options=options)
