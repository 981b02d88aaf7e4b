"""The conditional of a Gaussian, in closed form."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from flowzoo.builtin.actnorm import SMALLEST_STD
from flowzoo.builtin.moments import Moments
from flowzoo.builtin.shrinkage import shrink
from flowzoo.errors import NumericalError


class LinearGaussian(NamedTuple):
    """``y`` given features ``f``: normal with mean ``intercept + slope f`` and covariance ``S``.

    Attributes:
        slope: ``(D, F)``.
        intercept: ``(D,)``.
        whitening: ``S^(-1/2)``, symmetric, ``(D, D)``.
        shrinkage: Share of the correlations that was removed because there were few rows.
    """

    slope: Tensor
    intercept: Tensor
    whitening: Tensor
    shrinkage: float


def linear_gaussian(moments: Moments, features: int) -> LinearGaussian:
    """Fit ``y`` given ``f`` to the moments of rows ``(f, y)``.

    The covariance of the rows is shrunk (:func:`~flowzoo.builtin.shrinkage.shrink`). For the mean that is a
    ridge regression on standardised features, whose ridge is ``rho / (1 - rho)`` for a shrinkage ``rho``. The
    spread of ``y`` is at least :data:`~flowzoo.builtin.actnorm.SMALLEST_STD` in every direction.

    Args:
        moments: Moments of at least one row.
        features: ``F``; the first so many values of a row are ``f``.

    Raises:
        NumericalError: The moments are not finite.
    """
    covariance, shrinkage = shrink(moments, features)
    if not bool(covariance.isfinite().all()):
        raise NumericalError("whiten: the data's covariance is not finite. Check the data for NaN values")
    of_f, across = covariance[:features, :features], covariance[:features, features:]
    slope = torch.linalg.solve(of_f, across).T
    spread, axes = torch.linalg.eigh(covariance[features:, features:] - slope @ across)
    whitening = (axes * spread.clamp(min=SMALLEST_STD**2).rsqrt()) @ axes.T
    intercept = moments.mean[features:] - slope @ moments.mean[:features]
    return LinearGaussian(slope, intercept, whitening, shrinkage)
