"""Whether the density of what a model draws is that of its draws.

The Jacobian of a draw shows a density that is wrong at a point. It cannot show that other draws lead to the
same values, for example where noise is reflected at the ends of its bin. The density is then a sum over these
draws, and the term of one draw flatters the figure. So another density ``r`` is fitted to some draws and
compared on others: the mean of ``r / q`` is at most 1 (:mod:`flowzoo.evaluation.impossible`).

References:
    The split likelihood ratio: Wasserman, Ramdas and Balakrishnan, "Universal inference", PNAS 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

from flowzoo import checked
from flowzoo.call import Call
from flowzoo.dequantisation import Dequantisation
from flowzoo.evaluation.density.draws import Noise, with_noise
from flowzoo.evaluation.density.jacobian import choose_derivative, log_abs_det
from flowzoo.evaluation.impossible import NATS
from flowzoo.flow import Flow
from flowzoo.shapes import Images, IntegerImages
from flowzoo.transform import ResolutionTransform

FITTED, COMPARED = 64, 32
"""Number of draws that the other density is fitted to, and of those on which it is compared."""

VALUES_COMPARED = 512
"""A Jacobian is needed for each draw of a transform that is compared. Fewer are, if they hold more values."""

STEPS = 8
"""Number of steps of the other density between the smallest and the largest of the draws."""

VALUES_AT_ONCE = 2**18
"""Number of values in the images of one batch."""

NARROWEST = 1e-6
"""Narrowest step. Draws that coincide would have an infinite density."""


@dataclass(frozen=True)
class Comparison:
    """A stated density of draws, compared with another one.

    Attributes:
        nats: Log of the likelihood ratio of all draws.
        draws: Number of draws.
    """

    nats: float
    draws: int

    def objection(self, what: str) -> str:
        """Return why the stated density cannot be that of the draws; empty if it can."""
        if self.nats <= NATS:
            return ""
        return (
            f"no density: log q of {what} is too low, by {self.nats / self.draws:.3g} nats or more on "
            "average. Perhaps several draws lead to the same values, and log q counts only one of them"
        )


def compare_dequantisation(noise: Dequantisation, image: IntegerImages, bins: int, seed: int) -> Comparison:
    """Compare the stated density of the noise for one image.

    Args:
        noise: The noise, in float64.
        image: ``(1, C, H, W)``, integers.
        bins: Number of integers that a value can take.
        seed: Seed of the draws.
    """
    call = Call(generator=torch.Generator().manual_seed(seed))
    same = image.repeat(FITTED + COMPARED, 1, 1, 1)
    batches = same.split(max(1, VALUES_AT_ONCE // image[0].numel()))
    found = [checked.noise(noise, each, bins, call) for each in batches]
    drawn = torch.cat([u for u, _ in found]).double().flatten(1)
    log_q = torch.cat([each for _, each in found]).double()
    return _compare(drawn, log_q[FITTED:])


def compare_transform(transform: ResolutionTransform, x: Images, seed: int) -> Comparison | None:
    """Compare the density of what a stochastic transform draws for one image.

    The density at a draw follows from the Jacobian of the drawn values, which are the first of the output.
    None if the first values of the output do not depend on the draw.

    Args:
        transform: The transform, in float64.
        x: ``(1, C, H, W)``, its input.
        seed: Seed of the draws.
    """
    noise = Noise()
    call = with_noise(Call(generator=torch.Generator().manual_seed(seed)), noise)
    y, _ = transform(x.expand(FITTED + COMPARED, *x.shape[1:]), call)
    if noise.log_prob is None:
        return None
    drawn = _Drawn(transform, x, call, noise, noise.flat(y)[FITTED:], noise.room(y)[FITTED:])
    values = drawn.start.shape[1]
    count = max(2, min(COMPARED, VALUES_COMPARED // max(1, values)))
    way = choose_derivative(drawn).way
    log_dets = y.new_tensor([log_abs_det(drawn, place, way) for place in range(count)])
    if not bool(log_dets.isfinite().all()):
        return None
    log_q = noise.log_prob[FITTED : FITTED + count].to(log_dets) - log_dets
    return _compare(y.flatten(1)[: FITTED + count, :values], log_q)


def inputs_of_stochastic(flow: Flow, x: Images, call: Call) -> list[tuple[int, Images]]:
    """Return the inputs of a model's stochastic transforms for images, each with the place of its level."""
    found: list[tuple[int, Images]] = []
    levels = [place for place in range(len(flow.levels)) if flow.level(place).transform.traits.stochastic]
    handles = [
        flow.level(place).transform.register_forward_pre_hook(
            lambda module, args, place=place: found.append((place, args[0]))
        )
        for place in levels
    ]
    try:
        flow.encode(x, call)
    finally:
        for handle in handles:
            handle.remove()
    return found


@final
@dataclass(frozen=True)
class _Drawn:
    """The first values of a transform's output, as a map of the numbers that it draws for one image.

    Attributes:
        transform: The transform.
        x: ``(1, C, H, W)``, its input.
        call: Its call.
        noise: The draws that were recorded in that call.
        start: The draws, ``(N, E)``.
        room: How far each may be moved, ``(N, E)``.
    """

    transform: ResolutionTransform
    x: Images
    call: Call
    noise: Noise
    start: Tensor
    room: Tensor

    def __call__(self, rows: Tensor, image: int) -> Tensor:
        call = with_noise(self.call, self.noise.replayed(rows))
        y: Tensor = self.transform(self.x.expand(len(rows), *self.x.shape[1:]), call)[0]
        return y.flatten(1)[:, : rows.shape[1]]


def _compare(drawn: Tensor, log_q: Tensor) -> Comparison:
    """Compare the density of all draws after those that the other density is fitted to."""
    other = _log_density(drawn[FITTED:], drawn[:FITTED])
    return Comparison(float((other - log_q).sum()), len(log_q))


def _log_density(points: Tensor, draws: Tensor) -> Tensor:
    """Return ``log r`` of points, ``(B,)``: each value by itself, constant between quantiles of the draws."""
    count = len(draws)
    ranks = [round(place * (count - 1) / STEPS) for place in range(STEPS + 1)]
    edges = draws.sort(0).values[ranks]
    low, high = edges[0], edges[-1]
    scale = (high - low).clamp(min=NARROWEST)
    counts = torch.tensor([high - low for low, high in pairwise(ranks)]).to(draws)
    steps = (counts[:, None] / edges.diff(dim=0).clamp(min=NARROWEST)).log()
    place = torch.searchsorted(edges.T.contiguous(), points.T.contiguous()).T - 1
    inner = steps.gather(0, place.clamp(0, STEPS - 1))
    beyond = (low - points).clamp(min=0.0) + (points - high).clamp(min=0.0)
    tails = -beyond / scale - scale.log()
    # Beyond the draws, on either side, lies as much mass as between two of them.
    return (torch.where((points < low) | (points > high), tails, inner) - math.log(count + 1)).sum(1)
