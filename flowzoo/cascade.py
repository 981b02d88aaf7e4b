"""The recipe that most families have in common: a stack of similar levels, the coarsest last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.stack import Stack, Training
from flowzoo.builtin.standardise import Standardise
from flowzoo.builtin.whiten import IMAGES, KERNEL, WHOLE, Kernel, Whiten
from flowzoo.component import Added, BijectorSpec, Builder, Spec, SplitSpec, TransformSpec
from flowzoo.errors import OptionError
from flowzoo.level import Level
from flowzoo.shapes import Shape

IDENTITY = Spec("identity")
KEEP_NOTHING = Spec("keep-nothing")


@dataclass(frozen=True)
class Whitening:
    """Options of :class:`~flowzoo.builtin.whiten.Whiten` at each level."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: Literal["whiten"] = "whiten"
    kernel: Annotated[Kernel, Field(description="Side of the neighbourhood that predicts the mean.")] = KERNEL
    whole: Annotated[
        int,
        Field(
            ge=0,
            description="Images of at most so many values are whitened as a whole, larger ones by places.",
        ),
    ] = WHOLE
    images: Annotated[int, Field(ge=1, description="Images of the fit, at most.")] = IMAGES


@dataclass(frozen=True)
class BlockWhitening:
    """Options of :class:`~flowzoo.builtin.whiten.Whiten` where blocks of the finest image are whitened."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: Literal["whiten-blocks"] = "whiten-blocks"
    side: Annotated[int, Field(ge=1, description="Side of a block in pixels.")] = 4
    images: Annotated[int, Field(ge=1, description="Images of the fit, at most.")] = 1024


Whitenings = Whitening | BlockWhitening


def _in_full(given: str | Whitenings) -> str | Whitenings:
    """Return whitening with all its options: records hold them, and both ways of asking have one key."""
    if given == "whiten":
        return Whitening()
    return BlockWhitening() if given == "whiten-blocks" else given


Normalise = Annotated[
    Literal["standardise", "whiten", "whiten-blocks"] | Whitenings, AfterValidator(_in_full)
]
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
            description="What is done to each level's data first: shift and scale per channel (standardise), "
            "whitening given the coarse image (whiten), or the finest level's data whitened block by block, "
            "the others standardised (whiten-blocks). Options are given as those of a component: "
            "normalise.kernel=5, normalise.side=4."
        ),
    ] = "standardise"
    precondition: Annotated[
        BijectorSpec | None,
        Added(before=None),
        Field(
            description="Bijector before the one of every level. It trains first, by its own objective, and "
            "stays as it is while the other trains. None: no such bijector."
        ),
    ] = None
    precondition_share: Annotated[
        float,
        Added(before=0.1),
        Field(gt=0, lt=1, description="Part of the budget in which precondition trains."),
    ] = 0.1


def cascade_model(image_shape: Shape, builder: Builder, *, options: CascadeOptions) -> list[Level]:
    """Build levels that factor out part of their image, modelled given the part that goes on.

    ``log p(x) = sum over levels [ladj(transform) + ladj(joint) + log p(factored | kept)]``

    The coarsest level has neither transform nor joint: its image is modelled by itself. The part that gets
    an image first, the joint if there is one and otherwise the conditional, gets it standardised or whitened
    by statistics of the data that stay fixed. Its context is standardised. After that comes ``precondition``,
    if there is one, and then ``bijector``, trained one after the other as in a greedy
    :class:`~flowzoo.builtin.stack.Stack`.

    A plugin registers a family that is described by its options alone without code of its own::

        Component(
            kind="model", name="mine", build="flowzoo.api:cascade_model", summary="Haar details by Glow.",
            defaults={"levels": 3, "transform": Spec("haar"), "bijector": Spec("glow", steps=8),
                      "split": Spec("keep-first-channels", divisor=4)},
        )

    Args:
        image_shape: ``(C, H, W)`` of the finest level.
        builder: Finds the components by name.
        options: The components, and how many levels there are.

    Returns:
        The levels, finest first.

    Raises:
        ShapeError: The shape cannot be taken down so often.
        OptionError: ``precondition`` is set, and a joint has parameters to train.
    """
    transforms = [options.transform] if isinstance(options.transform, Spec) else options.transform
    assert transforms, "levels without a transform have the identity"
    built: list[Level] = []
    greedy = joint_trains = False
    shape = image_shape
    for place in range(options.levels):
        coarsest = place == options.levels - 1
        step = builder.transform(IDENTITY if coarsest else transforms[place % len(transforms)], shape)
        transformed = step.output_shape(shape)
        joint = IDENTITY if coarsest else options.joint
        mixing: ConditionalBijector = builder.bijector(joint, transformed)
        joint_trains = joint_trains or any(True for _ in mixing.parameters())
        policy = builder.split(KEEP_NOTHING if coarsest else options.split, transformed)
        kept, factored = policy.shapes(transformed)
        bijector = options.last if coarsest and options.last else options.bijector
        conditional = builder.bijector(bijector, factored, kept)
        if options.precondition is not None:
            first = builder.bijector(options.precondition, factored, kept)
            shares = options.precondition_share, 1.0 - options.precondition_share
            both_train = all(any(True for _ in part.parameters()) for part in (first, conditional))
            training: Training = "greedy" if both_train else "jointly"
            conditional = Stack([first, conditional], training, shares if both_train else None)
            greedy = greedy or both_train
        if joint.name == "identity":
            conditional = _normalised(options.normalise, place, conditional, factored, kept, ends=True)
        else:
            mixing = _normalised(options.normalise, place, mixing, transformed)
        built.append(Level(step, mixing, policy, conditional))
        shape = kept or shape
    if greedy and joint_trains:
        raise OptionError(
            "precondition would train before the bijectors, and joints that train would get no gradient from "
            "that. Leave precondition out, or set joint=identity"
        )
    return built


def _normalised(
    normalise: Normalise,
    place: int,
    inner: ConditionalBijector,
    shape: Shape,
    context_shape: Shape | None = None,
    ends: bool = False,
) -> ConditionalBijector:
    asked = _in_full(normalise)
    if isinstance(asked, Whitening):
        kernel, whole, images = asked.kernel, asked.whole, asked.images
        return Whiten(inner, shape, context_shape, kernel=kernel, whole=whole, images=images, ends=ends)
    if isinstance(asked, BlockWhitening) and place == 0:
        return Whiten(inner, shape, context_shape, block=asked.side, images=asked.images, ends=ends)
    return Standardise(inner, shape, context_shape)
