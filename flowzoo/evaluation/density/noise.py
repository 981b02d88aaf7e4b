"""Whether the stated density of the noise of dequantisation is that of its draws.

The Jacobian of the draw shows a density that is wrong at a point. It cannot show that other draws lead to
the same noise, for example where noise is reflected at the ends of its bin. The density is then a sum over
these draws, and the term of one draw flatters the figure. So another density ``r`` is fitted to some draws
and compared on others: the mean of ``r / q`` is at most 1 (:mod:`flowzoo.evaluation.impossible`).

References:
    The split likelihood ratio: Wasserman, Ramdas and Balakrishnan, "Universal inference", PNAS 2020.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from flowzoo import checked
from flowzoo.call import Call
from flowzoo.flow import Flow
from flowzoo.shapes import IntegerImages

FITTED, COMPARED = 64, 32
"""Number of draws that the other density is fitted to, and of those on which it is compared."""

BINS = 8
"""Number of steps of the other density between the second and the last but one of the draws."""

VALUES_AT_ONCE = 2**18
"""Number of values in the images of one batch."""

NARROWEST = 1e-6
"""Narrowest step. Draws that coincide would have an infinite density."""


def excess_of_noise(flow: Flow, image: IntegerImages, seed: int) -> float:
    """Return the log of the likelihood ratio of another density and the stated one, nats.

    Args:
        flow: The model, in float64.
        image: ``(1, C, H, W)``, integers; the draws are those for this image.
        seed: Seed of the draws.
    """
    call = Call(generator=torch.Generator().manual_seed(seed))
    same = image.to(flow.device).repeat(FITTED + COMPARED, 1, 1, 1)
    batches = same.split(max(1, VALUES_AT_ONCE // flow.dimensions))
    found = [checked.noise(flow.dequantisation, each, flow.bins, call) for each in batches]
    drawn = torch.cat([u for u, _ in found]).double().flatten(1)
    log_q = torch.cat([each for _, each in found]).double()
    other = _log_density(drawn[FITTED:], drawn[:FITTED])
    return float((other - log_q[FITTED:]).sum())


def _log_density(points: Tensor, draws: Tensor) -> Tensor:
    """Return ``log r`` of points, ``(B,)``: each value by itself, constant between quantiles of the draws."""
    count = len(draws)
    ranks = [0, *(round(place * (count - 1) / BINS) for place in range(1, BINS)), count - 1]
    inner = draws.sort(0).values[ranks]
    edges = torch.cat([torch.zeros_like(inner[:1]), inner, torch.ones_like(inner[:1])])
    counts = torch.tensor([1, *(high - low for low, high in pairwise(ranks)), 1]).to(draws)
    masses = counts / counts.sum()
    density = masses[:, None] / edges.diff(dim=0).clamp(min=NARROWEST)
    place = torch.searchsorted(inner.T.contiguous(), points.T.contiguous()).T
    return density.gather(0, place).log().sum(1)
