"""Each dimension's contribution to the log-determinant of a matrix."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from flowzoo.builtin.log_det import log_det_dtype


class LinearContributions(NamedTuple):
    """How a square matrix contributes to, and passes on, contributions of a log-determinant.

    Attributes:
        own: ``(n,)``, nats, each output's contribution; they sum to ``log |det W|``.
        carry: ``(n, n)``, doubly stochastic: the part of each input's earlier contribution that each output
            gets.
    """

    own: Float[Tensor, " n"]
    carry: Float[Tensor, "n n"]


def linear_contributions(weight: Float[Tensor, "n n"]) -> LinearContributions:
    """Return the contributions of ``z = W x`` by its polar form ``W = P U``.

    The rotation ``U`` stretches nothing, so it only mixes the earlier contributions, by ``U o U``, which
    keeps their sum. ``P`` is symmetric, and the diagonal of ``log P`` says how much each output is stretched.

    The gradient is that of the contributions' sum, dealt out evenly: a single contribution's does not exist
    where singular values coincide, as they do in a rotation.

    >>> contributions = linear_contributions(torch.tensor([[0.0, 2.0], [1.0, 0.0]]))
    >>> contributions.own, contributions.carry
    (tensor([0.6931, 0.0000]), tensor([[0., 1.],
            [1., 0.]]))
    """
    weight = weight.to(log_det_dtype(weight))
    left, stretch, right = torch.linalg.svd(weight.detach())
    rotation = left @ right
    own = left.square() @ stretch.log()
    total = torch.linalg.slogdet(weight).logabsdet
    return LinearContributions(own + (total - total.detach()) / len(own), rotation.square())
