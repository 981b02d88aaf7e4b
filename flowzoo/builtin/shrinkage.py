"""A covariance that can be inverted, however few images it is estimated from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from flowzoo.builtin.actnorm import SMALLEST_STD
from flowzoo.builtin.moments import Moments


class Shrunk(NamedTuple):
    """A covariance, ``(D, D)``, and the share ``rho`` of its correlations that was removed."""

    covariance: Tensor
    share: float


def shrink(moments: Moments, given: int = 0) -> Shrunk:
    """Return the covariance with the correlations shrunk towards none.

    ``Sigma = s [(1 - rho) R + rho I] s``, with the spreads ``s`` and the correlations ``R`` of the dimensions

    The share ``rho`` is that of the oracle approximating shrinkage (:func:`oas_share`). It is taken of the
    correlations, not of the covariance, so it depends on no dimension's unit: a border that holds nothing but
    dequantisation noise keeps its small spread beside pixels whose spread is a thousand times larger.

    A dimension's variance is at least ``V / ((n + 1) (1 + n / D))``, where ``V`` is the variance of all
    values of the ``n`` images about their common mean. A pixel that is dark in ``n`` images is lit in the
    next one with a probability of about ``1 / (n + 1)`` (the rule of succession). The last factor makes the
    bound vanish where there are many more images than dimensions.

    Args:
        moments: Moments of at least one image.
        given: The first so many dimensions belong to a context, whose values have a scale of their own.

    References:
        Chen, Wiesel, Eldar and Hero, Shrinkage Algorithms for MMSE Covariance Estimation, 2010, equation 23.
    """
    covariance, mean = moments.covariance, moments.mean
    variances = covariance.diagonal()
    count, dimensions = moments.count, len(variances)
    parts = [slice(0, given), slice(given, dimensions)] if given else [slice(0, dimensions)]
    smallest = [_smallest(variances[part], mean[part], count, dimensions) for part in parts]
    floored = [variances[part].clamp(min=least) for part, least in zip(parts, smallest, strict=True)]
    spreads = torch.cat(floored).sqrt()
    correlations = covariance / spreads / spreads[:, None]
    correlations.fill_diagonal_(1.0)
    # A little of the data's correlations is always left, so that a context never stops to count.
    share = min(oas_share(correlations, count), count / (count + 1))
    correlations *= 1.0 - share
    correlations.fill_diagonal_(1.0)
    return Shrunk(correlations * spreads * spreads[:, None], share)


def oas_share(covariance: Tensor, count: int) -> float:
    """Return how much of a covariance ``S`` to replace by its mean variance: the oracle approximating share.

    ``rho = min(1, (tr(S^2) + tr(S)^2) / ((n + 1) (tr(S^2) - tr(S)^2 / D)))``, as scikit-learn's ``OAS``

    Args:
        covariance: The maximum-likelihood one, ``(D, D)``.
        count: ``n``, from how many images.

    >>> oas_share(torch.tensor([[1.0, 0.5], [0.5, 1.0]]), 9)
    1.0
    >>> round(oas_share(torch.tensor([[1.0, 0.5], [0.5, 1.0]]), 99), 2)
    0.13
    """
    square = float(covariance.square().sum())
    isotropic = float(covariance.trace()) ** 2
    spared = (count + 1) * (square - isotropic / len(covariance))
    return 1.0 if spared <= 0.0 else min(1.0, (square + isotropic) / spared)


def _smallest(variances: Tensor, mean: Tensor, count: int, dimensions: int) -> Tensor:
    whole = variances.mean() + mean.var(correction=0)
    smallest = whole / ((count + 1) * (1 + count / dimensions))
    # Where all values of all images are equal, no data say what the scale is.
    return torch.where(smallest > 0, smallest, SMALLEST_STD**2)
