"""The recipe that most families share: a cascade of like levels, coarsest last."""

from __future__ import annotations

from flowzoo.builtin.identity import IdentityBijector
from flowzoo.builtin.standardise import Standardise
from flowzoo.component import Builder, Spec
from flowzoo.level import Level
from flowzoo.shapes import Shape


def cascade(
    image_shape: Shape,
    builder: Builder,
    *,
    levels: int,
    transform: Spec,
    split: Spec,
    bijector: Spec,
) -> list[Level]:
    """Build levels whose details are modelled given the coarse image that goes on.

    ``log p(x_S) = log p_0(x_0) + sum_s [log p_s(y_s | x_{s-1}) + ladj(T_s)]``

    Each level's input, and its context, are standardised by statistics of the data that stay fixed.

    Args:
        image_shape: ``(C, H, W)`` of the finest level.
        builder: Finds the components by name.
        levels: How many, the coarsest included; that one models its image without transform or context.
        transform: Resolution transform between levels.
        split: Parts the transformed image into coarse image and details.
        bijector: Models the details given the coarse image.

    Returns:
        The levels, finest first.

    Raises:
        ShapeError: The shape cannot be taken down so often.
    """
    built: list[Level] = []
    shape = image_shape
    for place in range(levels):
        coarsest = place == levels - 1
        step = builder.transform(Spec("identity") if coarsest else transform, shape)
        transformed = step.output_shape(shape)
        policy = builder.split(Spec("keep-nothing") if coarsest else split, transformed)
        kept, factored = policy.shapes(transformed)
        conditional = Standardise(builder.bijector(bijector, factored, kept), factored, kept)
        built.append(Level(step, IdentityBijector(), policy, conditional))
        shape = kept or shape
    return built
