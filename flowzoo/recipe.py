"""The recipe of a model: all that is needed to build it again, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flowzoo.shapes import Shape


@dataclass(frozen=True)
class Recipe:
    """What a model was built from.

    Attributes:
        model: The model's registered name.
        image_shape: ``(C, H, W)``.
        bins: How many integers a value of the data can take.
        pixels: The pixel transform, ``{"name": ..., option: ...}``.
        options: The model's options, all of them, defaults filled in, nested components included.
        plugins: Version by distribution name, of every distribution whose component is part of the model.
        revisions: Revision of every component that is part of the model, by ``"kind:name"``.
        owners: Distribution that brings it, likewise; empty in recipes from before this was recorded. It says
            where the parts are found, not which they are, so recipes are compared without it.

    Names of components are bare; where several plugins bring one of that name they are qualified by the
    distribution, ``"distribution/name"``.
    """

    model: str
    image_shape: Shape
    bins: int
    pixels: Mapping[str, Any]
    options: Mapping[str, Any]
    plugins: Mapping[str, str]
    revisions: Mapping[str, int]
    owners: Mapping[str, str] = field(default_factory=dict, compare=False)
