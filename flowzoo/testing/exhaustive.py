"""The probabilities of all integer images of a tiny model: their sum is the density's integral, at most 1."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flowzoo.call import Call
from flowzoo.errors import FlowzooError
from flowzoo.flow import Flow
from flowzoo.shapes import Shape
from flowzoo.solving import Solving
from flowzoo.testing.models import Model
from flowzoo.testing.result import require
from flowzoo.testing.trial import Trial

SIZES: dict[Shape, int] = {(1, 2, 2): 2, (1, 2, 1): 3}
"""Number of bins by shape. The kit uses the first shape that a model can be built for."""

NODES = {2: (12, 24), 4: (4, 6, 9, 13, 18)}
"""Nodes of the quadrature along each dimension, by the number of dimensions. More are tried if needed."""

ROUNDS = 16
"""Largest factor on the draws: a density that is narrow compared with a bin needs many."""

PASSES = 3
"""Nodes of the quadrature for a model that draws part of what its levels see."""

ROWS = 4096
"""Number of images at once."""

ERRORS = 5.0
"""Number of standard errors that are tolerated; :data:`SLACK` comes on top for quadrature and solvers."""

SLACK = 1e-2
"""Error that is tolerated for quadrature and solvers, relative to the density's integral."""


@dataclass(frozen=True)
class Effort:
    """The number of draws and samples.

    Attributes:
        draws: ``K``, how many draws of noise a bound is taken over; several.
        repeats: Number of bounds with the most draws, over which their expectation is estimated.
        samples: Number of samples of the model.
        precision: Relative precision of the sum. More is drawn until it is reached, up to :data:`ROUNDS`
            times as much.
    """

    draws: tuple[int, ...] = (1, 4, 16)
    repeats: int = 4
    samples: int = 512
    precision: float = 0.08

    @property
    def most(self) -> int:
        """The most draws of noise."""
        return ROUNDS * max(self.draws) * self.repeats


EFFORT = Effort()
"""The effort of the kit: about a second for a continuous flow, almost nothing for a coupling."""


class Totals:
    """Sums over all integer images of one model.

    Args:
        flow: The model, in float64, initialised, for images of few values.
        effort: How much is drawn.
        seed: Seed of everything that is drawn.

    Attributes:
        mass: The model's probability of ``[0, 1)^D``, by quadrature, and its error.
        unbiased: The sum of the estimated probabilities, whose expectation is the mass, and its error.
        bounds: The same of ``exp(E[log of a mean over K draws])``, by ``K``: at most the mass.
        sampled: The share of samples in ``[0, 1)^D``, and its error.
    """

    def __init__(self, flow: Flow, effort: Effort = EFFORT, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        # What a proposal never draws is missing in the density, but not in the samples.
        self.complete = not flow.stochastic
        self.mass = _quadrature(flow, generator)
        log_probs = _draw(flow, effort, generator)
        self.unbiased = _total(log_probs)
        while self.unbiased[1] > effort.precision * self.mass[0] and len(log_probs) < effort.most:
            log_probs = torch.cat([log_probs, _draw(flow, effort, generator)])
            self.unbiased = _total(log_probs)
        self.bounds = {draws: _bound(log_probs, draws) for draws in effort.draws}
        samples = flow.sample(effort.samples, seed=seed).flatten(1)
        inside = float(((samples >= 0) & (samples < 1)).all(1).double().mean())
        spread = max(inside * (1 - inside), 1.0 / effort.samples)
        self.sampled = (inside, math.sqrt(spread / effort.samples))


@torch.no_grad()
def adds_up_to_its_mass(kind: type[Model], trial: Trial) -> None:
    """The probabilities of all integer images add up to the density's integral over [0, 1), at most 1."""
    for shape in SIZES:
        subject = tiny(kind, trial, shape)
        if subject is not None:
            require_that_they_add_up(Totals(subject.module))
            return


def require_that_they_add_up(totals: Totals) -> None:
    """Fail the check unless sums, integral and samples agree and are at most 1."""
    mass, mass_error = totals.mass
    found, error = totals.unbiased
    sampled, sampled_error = totals.sampled
    slack = SLACK * mass
    require(
        mass <= 1.0 + ERRORS * mass_error + slack,
        f"the density has a probability of {mass:.4f} in [0, 1), but it must be at most 1",
    )
    require(
        abs(found - mass) <= ERRORS * (error + mass_error) + slack,
        f"the probabilities of all integer images add up to {found:.4f} ± {error:.2g}, but the density's "
        f"integral is {mass:.4f}",
    )
    missing = sampled - mass if totals.complete else min(0.0, sampled - mass)
    require(
        abs(missing) <= ERRORS * (sampled_error + mass_error) + slack,
        f"{sampled:.4f} ± {sampled_error:.2g} of the samples lie in [0, 1), but the density's is {mass:.4f}",
    )
    for draws, (bound, spread) in totals.bounds.items():
        require(
            bound <= mass + ERRORS * (spread + mass_error) + slack,
            f"with {draws} draw(s) the bounds on the probabilities of all integer images add up to "
            f"{bound:.4f}, which is more than the density's {mass:.4f}",
        )
    most = max(totals.bounds)
    loosest, tightest = totals.bounds[min(totals.bounds)], totals.bounds[most]
    # How fast more draws tighten a bound depends on the density: if it is narrow, 16 change little.
    require(
        tightest[0] >= loosest[0] - ERRORS * (tightest[1] + loosest[1]) - slack,
        f"with {most} draws the bounds add up to {tightest[0]:.4f}, less than the {loosest[0]:.4f} with "
        f"{min(totals.bounds)}; more draws must not loosen a bound",
    )


def tiny(kind: type[Model], trial: Trial, shape: Shape, seed: int = 0) -> Model | None:
    """Return the trial's model for images of few values, at one level if need be; None if there is none."""
    options = trial.check.options
    for changed in (options, {**options, "levels": 1}):
        try:
            subject = kind.ready(trial.with_check(shape=shape, options=changed), seed)
        except FlowzooError:
            continue
        subject.module.bins = SIZES[shape]
        return subject
    return None


def _all_images(flow: Flow) -> Tensor:
    axes = [torch.arange(flow.bins, dtype=torch.uint8)] * flow.dimensions
    return torch.cartesian_prod(*axes).reshape(-1, *flow.image_shape)


def _draw(flow: Flow, effort: Effort, generator: torch.Generator) -> Tensor:
    """Return estimates of the log-probability of every integer image, ``(draws, images)``, nats."""
    images = _all_images(flow)
    nats = flow.dimensions * math.log(2.0)
    count = max(effort.draws) * effort.repeats
    rows = [
        -nats * flow.bits_per_dim(some, Call(generator=generator, solver=Solving(exact=True)))
        for some in images.repeat(count, 1, 1, 1).split(ROWS)
    ]
    return torch.cat(rows).reshape(count, len(images))


def _total(log_probs: Tensor) -> tuple[float, float]:
    """Return the mean over draws of the sum over images, and its standard error."""
    sums = log_probs.exp().sum(1)
    return float(sums.mean()), float(sums.std()) / math.sqrt(len(sums))


def _quadrature(flow: Flow, generator: torch.Generator) -> tuple[float, float]:
    """Integrate the density over ``[0, 1)^D`` by Gauss and Legendre; over what is drawn, by drawing."""
    few, *more = NODES[flow.dimensions]
    if flow.stochastic:
        # The error of the draws is larger than that of the nodes.
        return _integral(flow, more[0], generator)
    mass, change = _integral(flow, few, generator)[0], math.inf
    for nodes in more:
        before, mass = mass, _integral(flow, nodes, generator)[0]
        change = abs(mass - before)
        if change <= SLACK * mass:
            break
    return mass, change


def _integral(flow: Flow, nodes: int, generator: torch.Generator) -> tuple[float, float]:
    places, weights = (0.5 * torch.from_numpy(each) for each in np.polynomial.legendre.leggauss(nodes))
    x = torch.cartesian_prod(*[places + 0.5] * flow.dimensions).reshape(-1, *flow.image_shape)
    weights = torch.cartesian_prod(*[weights] * flow.dimensions).prod(1)
    totals = []
    for _ in range(PASSES if flow.stochastic else 1):
        densities = [
            flow.log_prob(some, Call(generator=generator, solver=Solving(exact=True))).exp()
            for some in x.split(ROWS)
        ]
        totals.append(float(weights @ torch.cat(densities)))
    error = float(np.std(totals, ddof=1)) / math.sqrt(len(totals)) if len(totals) > 1 else 0.0
    return float(np.mean(totals)), error


def _bound(log_probs: Tensor, draws: int) -> tuple[float, float]:
    """Return the sum over images of ``exp(E[log mean of K probabilities])``, and its standard error."""
    count, images = log_probs.shape
    logs = torch.logsumexp(log_probs.reshape(count // draws, draws, images), dim=1) - math.log(draws)
    terms = logs.mean(0).exp()
    errors = terms * logs.std(0) / math.sqrt(len(logs))
    return float(terms.sum()), float(errors.square().sum().sqrt())
