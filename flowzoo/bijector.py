"""The second interface: conditional bijectors."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import nn

from flowzoo.call import EVALUATION, Call
from flowzoo.errors import OptionError
from flowzoo.origin import name_of
from flowzoo.shapes import Images, PerImage


@dataclass(frozen=True)
class Phase:
    """A part of training in which a bijector minimises one objective, with an optimiser of its own.

    Attributes:
        name: Told to the bijector as ``call.phase``.
        share: Of the training budget; a bijector's phases sum to 1.
        rate: Factor on the learning rate.
    """

    name: str
    share: float = 1.0
    rate: float = 1.0


class ConditionalBijector(nn.Module, ABC):
    """An invertible map from data to noise, given an optional context image.

    ``z = g(x | c)`` and ``log_det = log |det dz/dx|``, so ``log p(x | c) = log N(z; 0, I) + log_det``.
    The output has the shape of the input. A context may have another resolution: the bijector brings it
    to its own size.
    """

    loss_is_likelihood: bool = True
    """Whether :meth:`loss` is the negative log-likelihood, so that what stands before may train on it."""

    takes_all_reals: bool = True
    """Whether every finite value is in its domain, as inside a level it must be."""

    pointwise: bool = False
    """Whether it maps every value by itself, by one function for a channel, so that any size will do."""

    has_contributions: bool = False
    """Whether :meth:`forward_with_contributions` can tell each dimension's share of ``log_det``."""

    calibrates: bool = False
    """Whether it keeps in ``call.warm_start`` what later images shall meet too, such as a solver's steps."""

    phases: tuple[Phase, ...] = ()
    """What training goes through, one after another, where the bijector asks for it; the trainer obeys."""

    def __call__(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        result: tuple[Images, PerImage] = super().__call__(x, context, call)
        return result

    @abstractmethod
    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        """Map data to noise.

        Args:
            x: ``(B, C, H, W)``.
            context: ``(B, C', H', W')``, or None where the bijector was built without one.
            call: Generator, mode and ledger of this pass.

        Returns:
            ``z``, ``(B, C, H, W)``, and ``log_det``, ``(B,)``, in nats, in the dtype of ``x`` but never
            below float32.
        """

    @abstractmethod
    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        """Map noise to data: the ``x`` for which ``forward(x, context)`` gives ``z``."""

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        """Map data to noise, and tell how much each dimension has contributed to ``log_det`` so far.

        Shares that were gathered before travel with their dimensions: they stay where they are unless the
        bijector moves or mixes dimensions.

        Args:
            x: ``(B, C, H, W)``.
            contributions: Gathered before, laid out as ``x``, nats.
            context: As in :meth:`forward`.
            call: Generator, mode and ledger of this pass.

        Returns:
            ``z``, and the contributions laid out as ``z``, nats; those of an image have grown by ``log_det``
            in sum.

        Raises:
            OptionError: The bijector cannot tell (:attr:`has_contributions`).
        """
        raise OptionError(f"{name_of(self)} cannot tell each dimension's share of its log_det")

    def loss(self, x: Images, context: Images | None = None, call: Call = EVALUATION) -> PerImage:
        """Return what training minimises, ``(B,)``; here the negative log-likelihood in nats.

        Regularisers go to ``call.penalise`` and are added by whoever trains.
        """
        z, log_det = self(x, context, call)
        return -(standard_normal_log_prob(z) + log_det)


def follows(path: str) -> Any:
    """Return an attribute of a class that is always that of a part, whichever part is in place.

    Args:
        path: Of the part's attribute, such as ``"inner.loss_is_likelihood"``.
    """
    names = path.split(".")

    def read(self: Any) -> Any:
        for name in names:
            self = getattr(self, name)
        return self

    return property(read)


def follows_all(parts: str, name: str) -> Any:
    """Return an attribute of a class that is true where it is true of all parts that are in place.

    Args:
        parts: Name of the attribute that holds the parts.
        name: Of the parts' attribute.
    """

    def read(self: Any) -> bool:
        return all(getattr(part, name) for part in getattr(self, parts))

    return property(read)


def standard_normal_log_prob(z: Images) -> PerImage:
    """Return ``log N(z; 0, I)``, ``(B,)``, in nats; half-precision latents are summed in float32."""
    z = z if z.dtype.itemsize >= 4 else z.float()
    squares = z.square().flatten(1)
    return -0.5 * (squares.sum(1) + squares.shape[1] * math.log(2.0 * math.pi))
