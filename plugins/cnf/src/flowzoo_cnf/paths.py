"""The paths from data to noise that flow matching compares fields with, and the times at which it does so."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from torch import Tensor

Path = Literal["straight", "trigonometric"]
Times = Literal["uniform", "likelihood"]

EARLIEST = 1e-3
"""Time before which the likelihood's weight no longer grows."""


class Point(NamedTuple):
    """Where a path is at a time: ``v = data x + noise z``, and how fast both factors change."""

    data: Tensor
    noise: Tensor
    data_rate: Tensor
    noise_rate: Tensor


def point(path: Path, time: Tensor) -> Point:
    """Return the factors of data and noise at times in ``[0, 1]``.

    * straight: ``v = (1 - t) x + t z``.
    * trigonometric: ``v = cos(pi t / 2) x + sin(pi t / 2) z``. If data are standard normal already, ``v`` is
      so at every time, and the best field is zero.

    References:
        Lipman et al., "Flow Matching for Generative Modeling", 2023; Albergo and Vanden-Eijnden, "Building
        Normalizing Flows with Stochastic Interpolants", 2023, for the trigonometric path.
    """
    if path == "straight":
        one = time.new_ones(time.shape)
        return Point(1 - time, time, -one, one)
    turn = 0.5 * math.pi
    cosine, sine = (turn * time).cos(), (turn * time).sin()
    return Point(cosine, sine, -turn * sine, turn * cosine)


def likelihood_times(uniform: Tensor) -> Tensor:
    """Turn uniform numbers into times that come as often as the likelihood weights them.

    On the trigonometric path the bound on the negative log-likelihood weights the squared distance between
    velocities in proportion to ``cot(pi t / 2)``, here cut at :data:`EARLIEST`. With ``a`` that time, the
    weight's integral up to ``t > a`` is ``a cot(pi a / 2) + (2 / pi) log(sin(pi t / 2) / sin(pi a / 2))``.

    Args:
        uniform: ``(B,)`` in ``[0, 1)``.

    References:
        Zheng et al., "Improved Techniques for Maximum Likelihood Estimation for Diffusion ODEs", 2023 (times
        by importance); Song et al., "Maximum Likelihood Training of Score-Based Diffusion Models", 2021.
    """
    turn = 0.5 * math.pi
    flat = EARLIEST / math.tan(turn * EARLIEST)
    floor = math.log(math.sin(turn * EARLIEST))
    passed = uniform * (flat - floor / turn)
    early = passed * math.tan(turn * EARLIEST)
    late = ((passed - flat).clamp(min=0.0) * turn + floor).exp().clamp(max=1.0).asin() / turn
    return early.where(passed < flat, late)
