"""A level: transform, joint, split, conditional, always in this order.

x  --transform-->  y  --joint-->  y'  --split-->  (kept, factored)
factored | kept  --conditional-->  z ~ N(0, I);     kept goes on as the next level's x
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import nn

from flowzoo import checked
from flowzoo.bijector import ConditionalBijector, standard_normal_log_prob
from flowzoo.call import EVALUATION, Call
from flowzoo.errors import OptionError, ShapeError
from flowzoo.one_pass import BeginsPasses, one_pass
from flowzoo.origin import name_of
from flowzoo.part_list import require_part
from flowzoo.shapes import Images, PerImage, Shape, as_shape
from flowzoo.split import SplitPolicy
from flowzoo.tensors import floating_dtype
from flowzoo.transform import ResolutionTransform


class LevelTerms(NamedTuple):
    """The terms that one level adds to ``log p(x)``: ``(B,)`` each, nats.

    Attributes:
        transform: The transform's ``log_det`` (``-log q`` of a stochastic one).
        joint: The joint bijector's ``log_det``.
        conditional: ``log p(factored | kept) = log N(z; 0, I) + log_det``.
    """

    transform: PerImage
    joint: PerImage
    conditional: PerImage


class Parts(NamedTuple):
    """The results of a level's steps before its conditional; log-determinants are ``(B,)``, nats."""

    kept: Images | None
    factored: Images
    transform_log_det: PerImage
    joint_log_det: PerImage


class Level(BeginsPasses, nn.Module):
    """One level of a flow.

    Its parts may be replaced, or wrapped by objects that forward their attributes, as ``torch.compile``
    does. It computes in the dtype of its first parameter, and converts its input to it.

    Args:
        transform: Rearranges the level's image; the identity if there is nothing to rearrange.
        joint: A bijector over the whole image, without a context; it returns the shape that it got.
        split: Divides the image into ``kept`` and ``factored``.
        conditional: Maps ``factored``, given ``kept``, to standard normal noise.

    Raises:
        PartError: A part is not of the right kind. The error is a ``TypeError`` too.
        OptionError: A bijector does not take all values.
    """

    transform: ResolutionTransform
    joint: ConditionalBijector
    split: SplitPolicy
    conditional: ConditionalBijector

    def __init__(
        self,
        transform: ResolutionTransform,
        joint: ConditionalBijector,
        split: SplitPolicy,
        conditional: ConditionalBijector,
    ) -> None:
        super().__init__()
        self.transform = transform
        self.joint = joint
        self.split = split
        self.conditional = conditional

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _INTERFACES:
            require_part("a level", value, _INTERFACES[name])
        if name in ("joint", "conditional") and not value.traits.takes_all_reals:
            part = checked.who_declares(value, lambda each: not each.traits.takes_all_reals)
            raise OptionError(
                f"a level's values have no bounds, and its bijector takes those of [0, 1) only: {part}. "
                "Use it as the pixel transform: pixels.name"
            )
        super().__setattr__(name, value)

    def forward(self, x: Images, call: Call = EVALUATION) -> tuple[Images | None, Images, LevelTerms]:
        """Return the next level's image (None at the last level), the latent ``z`` and the terms.

        Raises:
            ShapeError: A part returned another shape than its interface states.
        """
        parts = self.take_apart(x, call)
        z, log_det = checked.forward(self.conditional, parts.factored, parts.kept, call)
        terms = LevelTerms(
            parts.transform_log_det, parts.joint_log_det, standard_normal_log_prob(z) + log_det
        )
        return parts.kept, z, terms

    def inverse(self, kept: Images | None, z: Images, call: Call = EVALUATION) -> Images:
        """Return the level's image for a latent ``z``, given the next level's image."""
        kept = None if kept is None else self._in_own_dtype(kept)
        factored = checked.inverse(self.conditional, self._in_own_dtype(z), kept, call)
        merged = self.split.merge(kept, factored, call)
        return self.transform.inverse(checked.inverse(self.joint, merged, None, call), call)

    def loss(self, x: Images, call: Call = EVALUATION) -> tuple[Images | None, PerImage]:
        """Return the next level's image and this level's training loss, ``(B,)``, penalties included.

        Raises:
            ShapeError: A part returned another shape than its interface states.
        """
        own, ledger = call.collecting()
        parts = self.take_apart(x, own)
        loss = checked.loss(self.conditional, parts.factored, parts.kept, own)
        loss = loss - parts.transform_log_det - parts.joint_log_det
        for penalty in ledger.penalties.values():
            loss = loss + penalty
        call.absorb(ledger)
        return parts.kept, loss

    @one_pass
    def take_apart(self, x: Images, call: Call = EVALUATION) -> Parts:
        """Compute the steps before the conditional."""
        x = self._in_own_dtype(x)
        transformed, transform_log_det = checked.transform(self.transform, x, call)
        y, joint_log_det = checked.forward(self.joint, transformed, None, call)
        kept, factored = self.split.split(y, call)
        return Parts(kept, factored, transform_log_det, joint_log_det)

    def shapes(self, shape: Shape) -> tuple[Shape | None, Shape]:
        """Return the shapes of the next level's image (None: there is none) and of the latent.

        Raises:
            ShapeError: The level cannot take images of ``shape``, or a part states no shape.
        """
        transformed = _stated(self.transform, "output_shape", self.transform.output_shape(shape))
        kept, factored = self.split.shapes(transformed)
        latent = _stated(self.split, "shapes", factored, fewest_channels=0)
        return None if kept is None else _stated(self.split, "shapes", kept), latent

    @property
    def separable(self) -> bool:
        """Whether the level's loss depends on its own parameters only: none lies outside ``conditional``."""
        return not any(True for part in (self.transform, self.joint, self.split) for _ in part.parameters())

    def _in_own_dtype(self, images: Images) -> Images:
        dtype = floating_dtype(self)
        return images if dtype is None else images.to(dtype)


_INTERFACES: dict[str, type[nn.Module]] = {
    "transform": ResolutionTransform,
    "joint": ConditionalBijector,
    "split": SplitPolicy,
    "conditional": ConditionalBijector,
}


def _stated(part: nn.Module, method: str, shape: Any, fewest_channels: int = 1) -> Shape:
    try:
        return as_shape(shape, fewest_channels)
    except (ShapeError, TypeError):
        raise ShapeError(
            f"{name_of(part)}.{method} returned the shape {shape!r:.60}, "
            "expected (channels, height, width). This is a mistake in the component: report it to its author"
        ) from None
