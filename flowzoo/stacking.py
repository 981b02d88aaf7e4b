"""A stack of levels: its properties, and checks that the levels fit together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import SupportsIndex

import torch
from torch import nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.checked import who_declares
from flowzoo.dequantisation import Dequantisation, Uniform
from flowzoo.errors import OptionError, ShapeError
from flowzoo.exactness import Exactness, worst
from flowzoo.level import Level
from flowzoo.origin import name_of
from flowzoo.part_list import PartList
from flowzoo.recipe import Recipe
from flowzoo.shapes import Shape, as_shape
from flowzoo.tensors import first_tensor, floating_dtype
from flowzoo.transform import ResolutionTransform


class LevelStack(nn.Module):
    """The parts of a flow, and its properties; arguments: :class:`flowzoo.flow.Flow`."""

    def __init__(
        self,
        image_shape: Iterable[SupportsIndex],
        levels: Sequence[Level],
        pixels: ConditionalBijector,
        bins: int = 256,
        dequantisation: Dequantisation | None = None,
        class_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.image_shape = as_shape(image_shape)
        self.bins = bins
        self.pixels = pixels
        self.levels = PartList(levels, Level)
        self.dequantisation = Uniform() if dequantisation is None else dequantisation
        self.class_dropout = class_dropout
        self.recipe: Recipe | None = None
        self.layout: dict[str, tuple[int, ...]] | None = None
        """Names and shapes of the tensors that the recipe builds, which reveal a replaced part."""
        chain_shapes(self.image_shape, self.levels)
        if any(True for _ in pixels.parameters()):
            raise OptionError(
                "the pixel transform has trainable parameters, which nothing trains. Use affine or logit"
            )
        refuse_untrainable(self.levels)
        refuse_unfit_noise(self.dequantisation, self.levels, pixels, self.image_shape)
        refuse_unscorable(list(self.levels), pixels)

    @property
    def dimensions(self) -> int:
        """``D = C * H * W`` of the finest image."""
        channels, height, width = self.image_shape
        return channels * height * width

    @property
    def latent_shapes(self) -> tuple[Shape, ...]:
        """Shapes of the latents, ``(C, H, W)`` each, finest level first."""
        return chain_shapes(self.image_shape, self.levels)

    @property
    def separable(self) -> bool:
        """Whether every level can be trained without the others: its parameters are its own."""
        if self.trains_noise:
            return False
        shared = Counter(id(each) for level in self.levels for each in set(level.parameters()))
        if any(levels > 1 for levels in shared.values()):
            return False
        return all(level.separable for level in self.levels)

    @property
    def trains_noise(self) -> bool:
        """Whether the dequantisation has parameters to train."""
        return any(each.requires_grad for each in self.dequantisation.parameters())

    @property
    def stochastic(self) -> bool:
        """Whether part of the levels' input is drawn, so that ``log p(x)`` is a bound with spread."""
        return any(level.transform.traits.stochastic for level in self.levels)

    @property
    def exactness(self) -> Exactness:
        """Exactness of ``log p(x)`` in evaluation: that of the least exact part."""
        return worst(self.exactness_of_parts(exact=False))

    def exactness_of_parts(self, exact: bool) -> set[Exactness]:
        """Return the exactness of the log-determinants of all parts.

        Args:
            exact: Whether the parts are requested to be exact, as ``call.solver.exact`` does.
        """
        parts = (
            each for each in self.modules() if isinstance(each, ConditionalBijector | ResolutionTransform)
        )
        return {each.traits.exactness_if(exact) for each in parts}

    @property
    def solves(self) -> bool:
        """Whether a bijector of its levels solves iteratively, so that its error has to be measured."""
        return any(each.traits.solves for each in self._bijectors())

    @property
    def calibrates(self) -> bool:
        """Whether a bijector of its levels calibrates on a few images, as solvers do."""
        return any(each.traits.calibrates for each in self._bijectors())

    @property
    def classes(self) -> int:
        """Number of classes whose labels the model can be given; 0 if it has none."""
        return max((each.traits.classes for each in self._bijectors()), default=0)

    @property
    def guides(self) -> bool:
        """Whether samples of a class can be guided: a vector field of its levels is given labels."""
        labelled = (each for each in self._bijectors() if each.traits.classes)
        return any(each.traits.guides for each in labelled)

    def _bijectors(self) -> Iterator[ConditionalBijector]:
        return (each for each in self.modules() if isinstance(each, ConditionalBijector))

    @property
    def dtype(self) -> torch.dtype:
        """The dtype in which the levels compute."""
        return floating_dtype(self.levels) or torch.get_default_dtype()

    @property
    def device(self) -> torch.device:
        """The device of the levels."""
        found = first_tensor(self.levels)
        return torch.device("cpu") if found is None else found.device

    def level(self, index: SupportsIndex) -> Level:
        """Return a level by its place, 0 being the finest."""
        return self.levels[index]

    def extra_repr(self) -> str:
        return f"image_shape={self.image_shape}, bins={self.bins}"


def chain_shapes(image_shape: Shape, levels: PartList[Level]) -> tuple[Shape, ...]:
    """Return the latents' shapes, finest first, and refuse a stack that does not end at its last level."""
    if not len(levels):
        raise ShapeError("a flow needs at least one level. Give it some")
    latents: list[Shape] = []
    shape: Shape | None = image_shape
    for place, level in enumerate(levels):
        if shape is None:
            raise ShapeError(f"level {place - 1} keeps nothing, but {len(levels) - place} more follow it")
        shape, latent = level.shapes(shape)
        latents.append(latent)
    if shape is not None:
        raise ShapeError(
            f"the last level keeps an image of shape {shape}, and nothing follows it. "
            "Use the split 'keep-nothing' there"
        )
    return tuple(latents)


def refuse_untrainable(levels: PartList[Level]) -> None:
    """Refuse trainable parts before a loss that is not a likelihood, and so gives them no gradient."""
    if all(
        each.joint.traits.loss_is_likelihood and each.conditional.traits.loss_is_likelihood for each in levels
    ):
        return
    trainable_before = False
    for place, level in enumerate(levels):
        if not level.joint.traits.loss_is_likelihood:
            raise OptionError(
                f"level {place}'s joint trains on the likelihood of the whole, and "
                f"{who_declares(level.joint, _has_other_loss)} has another objective. "
                "Set the joint's objective=likelihood, or training=jointly for a stack"
            )
        trainable_before = trainable_before or not level.separable
        if trainable_before and not level.conditional.traits.loss_is_likelihood:
            raise OptionError(
                f"level {place}'s conditional does not train on its likelihood, so the trainable transform, "
                f"joint or split before it would get no gradient from "
                f"{who_declares(level.conditional, _has_other_loss)}. Set the bijector's "
                "objective=likelihood, and leave out what trains before it (precondition=null)"
            )


def refuse_unfit_noise(
    dequantisation: Dequantisation, levels: PartList[Level], pixels: ConditionalBijector, shape: Shape
) -> None:
    """Refuse noise that the pixel transform would bend, or whose loss would not be a likelihood."""
    if dequantisation.affine_pixels and not _is_affine(pixels, shape):
        raise OptionError(
            f"{name_of(dequantisation)} needs affine pixels, and {name_of(pixels)} bends the bins of the "
            "integers. Set pixels=affine, or dequantisation=uniform"
        )
    if not any(True for _ in dequantisation.parameters()):
        return
    for place, level in enumerate(levels):
        for part in (level.joint, level.conditional):
            if not part.traits.loss_is_likelihood:
                raise OptionError(
                    f"{name_of(dequantisation)} trains on the likelihood of the whole, and level {place} has "
                    f"another objective because of {who_declares(part, _has_other_loss)}. "
                    "Set dequantisation=uniform, or the bijector's objective=likelihood"
                )


def _is_affine(pixels: ConditionalBijector, shape: Shape) -> bool:
    """Whether equal steps of the pixels stay equal steps."""
    places = torch.tensor([0.0, 0.25, 0.5], dtype=torch.float64)
    y, _ = pixels(places.reshape(-1, 1, 1, 1).expand(-1, *shape))
    return torch.allclose(y[2] - y[1], y[1] - y[0])


def refuse_unscorable(levels: Sequence[Level], pixels: ConditionalBijector) -> None:
    """Refuse splits whose scores, contributions to the log-determinant of joints, cannot be computed."""
    for place, level in enumerate(levels):
        if level.split.unscored() is None:
            continue
        before = levels[: place + 1]
        asked = f"level {place}'s split orders pixels by their contributions of the joints' log-determinant"
        mixing: list[nn.Module] = [each.transform for each in before if not each.transform.traits.permutes]
        if not pixels.traits.pointwise:
            mixing.append(pixels)
        if mixing:
            raise OptionError(
                f"{asked}, and {name_of(mixing[0])} mixes pixels before it. Use transform=identity or "
                "transform=squeeze and logit or affine pixels, or a split that needs no scores"
            )
        silent = next((each.joint for each in before if not each.joint.traits.has_contributions), None)
        if silent is not None:
            raise OptionError(
                f"{asked}, and {who_declares(silent, _has_no_contributions)} cannot compute them. "
                "Use another joint, or a split that needs no scores"
            )
        if all(each.joint.traits.pointwise for each in before):
            raise OptionError(
                f"{asked}, and no joint treats them differently. Set one that does, such as joint=realnvp, "
                "or use a split that needs no scores"
            )


def _has_no_contributions(bijector: ConditionalBijector) -> bool:
    return not bijector.traits.has_contributions


def _has_other_loss(bijector: ConditionalBijector) -> bool:
    return not bijector.traits.loss_is_likelihood
