"""Each dimension's share of the log-determinant of a matrix."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from flowzoo.builtin.log_det import log_det_dtype


class LinearShares(NamedTuple):
    """How a square matrix contributes to, and passes on, shares of a log-determinant.

    Attributes:
        own: ``(n,)``, nats, each output's share; they sum to ``log |det W|``.
        carry: ``(n, n)``, doubly stochastic: what each output takes of each input's earlier share.
    """

    own: Float[Tensor, " n"]
    carry: Float[Tensor, "n n"]


def linear_shares(weight: Float[Tensor, "n n"]) -> LinearShares:
    """Return the shares of ``z = W x`` by its polar form ``W = P U``.

    The rotation ``U`` stretches nothing, so it only mixes the earlier shares, by ``U o U``, which keeps
    their sum. ``P`` is symmetric, and the diagonal of ``log P`` says how much each output is stretched.

    The gradient is that of the shares' sum, dealt out evenly: a single share's does not exist where singular
    values coincide, as they do in a rotation.

    >>> shares = linear_shares(torch.tensor([[0.0, 2.0], [1.0, 0.0]]))
    >>> shares.own, shares.carry
    (tensor([0.6931, 0.0000]), tensor([[0., 1.],
            [1., 0.]]))
    """
    weight = weight.to(log_det_dtype(weight))
    left, stretch, right = torch.linalg.svd(weight.detach())
    rotation = left @ right
    own = left.square() @ stretch.log()
    total = torch.linalg.slogdet(weight).logabsdet
    return LinearShares(own + (total - total.detach()) / len(own), rotation.square())
