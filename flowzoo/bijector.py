"""The second interface: conditional bijectors."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from flowzoo.call import EVALUATION, Call
from flowzoo.errors import OptionError
from flowzoo.one_pass import BeginsPasses
from flowzoo.origin import name_of
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.traits import BijectorTraits


@dataclass(frozen=True)
class Phase:
    """A part of training in which a bijector minimises one objective, with an optimiser of its own.

    Attributes:
        name: The name, which the bijector gets as ``call.solver.phase``.
        share: Part of the training budget. A bijector's shares sum to 1.
        rate: Factor on the learning rate.
        warmup: Largest part of the phase over which the learning rate rises; None for no limit.
    """

    name: str
    share: float = 1.0
    rate: float = 1.0
    warmup: float | None = None


class ConditionalBijector(BeginsPasses, nn.Module, ABC):
    """An invertible map from data to noise, given an optional context image.

    ``z = g(x | c)`` and ``log_det = log |det dz/dx|``, so ``log p(x | c) = log N(z; 0, I) + log_det``.
    The output has the shape of the input. A context may have another resolution: the bijector brings it
    to its own size.
    """

    traits: BijectorTraits = BijectorTraits()
    """The traits that it declares. A wrapper returns its inner part's traits."""

    phases: tuple[Phase, ...] = ()
    """The phases of its training, one after another; none if there is one objective."""

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
            context: ``(B, C', H', W')``, or None if the bijector was built without one.
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
        """Map data to noise, and return how much each dimension has contributed to ``log_det`` so far.

        Contributions of earlier parts belong to their dimensions: they stay in place unless the
        bijector moves or mixes dimensions.

        Args:
            x: ``(B, C, H, W)``.
            contributions: Contributions of the parts before this one, laid out as ``x``, nats.
            context: As in :meth:`forward`.
            call: Generator, mode and ledger of this pass.

        Returns:
            ``z``, and the contributions laid out as ``z``, nats. The sum over an image has grown by
            ``log_det``.

        Raises:
            OptionError: The bijector cannot split its ``log_det`` by dimension; its
                ``traits.has_contributions`` is False then.
        """
        raise OptionError(
            f"{name_of(self)} cannot split its log_det by dimension (its traits.has_contributions is False)"
        )

    def autoregressive_order(self, shape: Shape) -> Sequence[int] | None:
        """Return the order in which the outputs depend on the values of an image; None if there is none.

        With inputs and outputs in this order, the Jacobian is lower triangular: an output depends on its own
        value and on those before it. ``log_det`` is then the sum of the logs of the diagonal.

        Args:
            shape: ``(C, H, W)`` of the images.

        Returns:
            The places of all values of the flattened image, each once, the first one first.
        """
        return None

    def loss(self, x: Images, context: Images | None = None, call: Call = EVALUATION) -> PerImage:
        """Return what training minimises, ``(B,)``; here the negative log-likelihood in nats.

        Regularisers go to ``call.penalise``; the caller adds them.
        """
        z, log_det = self(x, context, call)
        return -(standard_normal_log_prob(z) + log_det)


def standard_normal_log_prob(z: Images) -> PerImage:
    """Return ``log N(z; 0, I)``, ``(B,)``, in nats; half-precision latents are summed in float32."""
    z = z if z.dtype.itemsize >= 4 else z.float()
    dimensions = z.shape[1:].numel()
    return -0.5 * (z.square().sum((1, 2, 3)) + dimensions * math.log(2.0 * math.pi))
