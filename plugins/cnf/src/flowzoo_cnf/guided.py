"""A vector field that is guided towards the labels of images, away from what it is without them."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from flowzoo.api import EVALUATION, Call, Images, Network, Prepared, Time


@final
class Guided(Network):
    """``v + w (v' - v)``: the field ``v`` without labels, and what labels change in it, times ``w``.

    The first half of a batch is given no labels, and the second half is the same images given theirs. Both
    halves get the same result, so that they stay the same images.

    Args:
        field: The field.
        weight: ``w``; 1 gives the field with labels.

    References:
        Ho and Salimans, "Classifier-Free Diffusion Guidance", 2022; Zheng et al., "Guided Flows for
        Generative Modeling and Decision Making", 2023.
    """

    def __init__(self, field: Network, weight: float) -> None:
        super().__init__()
        self.field = field
        self.weight = weight

    def forward(
        self, x: Images, context: Images | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Images:
        """See :meth:`flowzoo.api.Network.forward`."""
        return _guide(self.field(x, context, time, call), self.weight)

    def prepare(
        self,
        context: Images | None,
        like: Images,
        tangent: Images | None = None,
        call: Call = EVALUATION,
    ) -> Prepared:
        """See :meth:`flowzoo.api.Network.prepare`."""
        return _PreparedGuided(self, self.field.prepare(context, like, tangent, call))


@final
class _PreparedGuided(Prepared):
    def __init__(self, network: Guided, field: Prepared) -> None:
        super().__init__(network, field.context, field.call)
        self._field = field
        self._weight = network.weight

    def __call__(self, x: Images, time: Time) -> Images:
        return _guide(self._field(x, time), self._weight)


def _guide(values: Images, weight: float) -> Images:
    without, given = values.chunk(2)
    return torch.lerp(without, given, weight).repeat(2, 1, 1, 1)
