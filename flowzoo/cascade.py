"""The recipe that all families share: a stack of like levels, the coarsest last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.standardise import Standardise
from flowzoo.builtin.whiten import Whiten
from flowzoo.component import Added, BijectorSpec, Builder, Spec, SplitSpec, TransformSpec
from flowzoo.level import Level
from flowzoo.shapes import Shape

IDENTITY = Spec("identity")
KEEP_NOTHING = Spec("keep-nothing")


Normalise = Literal["standardise", "whiten"]
Transforms = Annotated[list[TransformSpec], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class CascadeOptions:
    """The options of :func:`cascade_model`; a family's component names those that it has, with defaults."""

    levels: Annotated[
        int, Field(ge=1, le=24, description="Number of resolutions, the coarsest included.")
    ] = 1
    transform: Annotated[
        TransformSpec | Transforms,
        Field(
            description="Transform between resolutions. Several take turns, the first at the finest level."
        ),
    ] = IDENTITY
    joint: Annotated[
        BijectorSpec, Field(description="Bijector over each level's whole image, before it is split.")
    ] = IDENTITY
    split: Annotated[
        SplitSpec, Field(description="How an image is split into what goes on and what is factored out.")
    ] = KEEP_NOTHING
    bijector: Annotated[
        BijectorSpec, Field(description="Bijector for what is factored out, given what goes on.")
    ] = IDENTITY
    last: Annotated[
        BijectorSpec | None,
        Field(description="Bijector for the coarsest image. None: the one that the other levels have."),
    ] = None
    normalise: Annotated[
        Normalise,
        Added(before="standardise"),
        Field(
            description="What each level's data go through first: shift and scale per channel (standardise), "
            "or whitening given the coarse image (whiten)."
        ),
    ] = "standardise"


def cascade_model(image_shape: Shape, builder: Builder, *, options: CascadeOptions) -> list[Level]:
    """Build the levels of a family that is described by its options alone.

    A plugin registers such a family without code of its own::

        Component(
            kind="model", name="mine", build="flowzoo.api:cascade_model", summary="Haar details by Glow.",
            defaults={"levels": 3, "transform": Spec("haar"), "bijector": Spec("glow", steps=8),
                      "split": Spec("keep-first-channels", divisor=4)},
        )

    Raises:
        ShapeError: The shape cannot be taken down so often.
    """
    return cascade(
        image_shape,
        builder,
        levels=options.levels,
        transform=options.transform,
        joint=options.joint,
        split=options.split,
        bijector=options.bijector,
        last=options.last,
        normalise=options.normalise,
    )


def cascade(
    image_shape: Shape,
    builder: Builder,
    *,
    levels: int,
    transform: Spec | Sequence[Spec] = IDENTITY,
    joint: Spec = IDENTITY,
    split: Spec,
    bijector: Spec = IDENTITY,
    last: Spec | None = None,
    normalise: Normalise = "standardise",
) -> list[Level]:
    """Build levels that factor out part of their image, modelled given the part that goes on.

    ``log p(x) = sum over levels [ladj(transform) + ladj(joint) + log p(factored | kept)]``

    The coarsest level has neither transform nor joint: its image is modelled on its own. What meets an image
    first, the joint where there is one and else the conditional, gets it standardised or whitened by
    statistics of the data that stay fixed, and its context standardised.

    Args:
        image_shape: ``(C, H, W)`` of the finest level.
        builder: Finds the components by name.
        levels: How many, the coarsest included.
        transform: Rearranges each level's image, to a coarse image and its details for one. Several take
            turns, the first at the finest level.
        joint: Bijector over the transformed image before it is split.
        split: Parts the image into what goes on and what is factored out.
        bijector: Models what is factored out, given what goes on.
        last: Models the coarsest image; by default the bijector does.
        normalise: Whether images are standardised (:class:`~flowzoo.builtin.standardise.Standardise`) or
            whitened (:class:`~flowzoo.builtin.whiten.Whiten`).

    Returns:
        The levels, finest first.

    Raises:
        ShapeError: The shape cannot be taken down so often.
    """
    transforms = [transform] if isinstance(transform, Spec) else list(transform)
    assert transforms, "levels without a transform have the identity"
    built: list[Level] = []
    shape = image_shape
    for place in range(levels):
        coarsest = place == levels - 1
        step = builder.transform(IDENTITY if coarsest else transforms[place % len(transforms)], shape)
        transformed = step.output_shape(shape)
        over_all = IDENTITY if coarsest else joint
        mixing: ConditionalBijector = builder.bijector(over_all, transformed)
        policy = builder.split(KEEP_NOTHING if coarsest else split, transformed)
        kept, factored = policy.shapes(transformed)
        conditional = builder.bijector(last if coarsest and last else bijector, factored, kept)
        if over_all.name == "identity":
            conditional = _normalised(normalise, conditional, factored, kept, ends=True)
        else:
            mixing = _normalised(normalise, mixing, transformed)
        built.append(Level(step, mixing, policy, conditional))
        shape = kept or shape
    return built


def _normalised(
    normalise: Normalise,
    inner: ConditionalBijector,
    shape: Shape,
    context_shape: Shape | None = None,
    ends: bool = False,
) -> ConditionalBijector:
    if normalise == "whiten":
        return Whiten(inner, shape, context_shape, ends=ends)
    return Standardise(inner, shape, context_shape)
