"""Explicit Runge-Kutta steps that autograd can differentiate, on a given grid or on a chosen one.

The state is an image ``v`` and integrals along its path, such as the log-determinant. Nothing depends on the
integrals, so stages need only their rates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from flowzoo.api import Images, NumericalError, PerImage, Time
from flowzoo_cnf.tableau import Tableau

Rate = tuple[Tensor, ...]
"""``dv/dt``, ``(B, C, H, W)``, then each integrand, ``(B, ...)``; the first is the log-determinant's."""

Rates = Callable[[Time, Images], Rate]


@runtime_checkable
class Problem(Protocol):
    """The input of a solver: rates, and the state at the start for a batch of images."""

    @property
    def like(self) -> Images:
        """The state at the start."""

    @property
    def integrals(self) -> Rate:
        """Zeros in the shapes of the integrals."""

    def __call__(self, t: Time, v: Images) -> Rate:
        """Return the rates."""

    def part(self, images: Tensor) -> Problem:
        """Return the problem for the images of the batch that a mask ``(B,)`` selects."""


MOST_STEPS = 1000
"""Largest number of steps; a solve that needs more fails."""

SHORTEST_STEP = 1e-6
"""Shortest step, as a fraction of the whole time; a solve that needs shorter ones fails."""


class Errors(NamedTuple):
    """Estimates of a solve's error, ``(B,)`` each.

    Attributes:
        state: Error of ``v``: root mean square over its values, each divided by one plus its size.
        log_det: Error of the first integral, in nats per dimension of ``v``.
    """

    state: PerImage
    log_det: PerImage

    def plus(self, other: Errors) -> Errors:
        """Return the sum of the estimates of two stretches."""
        return Errors(self.state + other.state, self.log_det + other.log_det)

    def larger(self) -> PerImage:
        """Return the larger of the two."""
        return torch.maximum(self.state, self.log_det)

    def worst(self) -> float:
        """Return the largest of any image."""
        return float(self.larger().max()) if len(self.state) else 0.0

    def typical(self) -> float:
        """Return the root mean square over the images, of the state or the log-determinant."""
        squares = torch.stack([self.state, self.log_det]).square().mean(1)
        return float(squares.max().sqrt()) if len(self.state) else 0.0


@dataclass(frozen=True)
class Solution:
    """The result of a solve.

    Attributes:
        v: The state at the end.
        integrals: Integrals over the whole time.
        errors: Estimates of the errors; zeros for a method without estimates.
        grid: The times between which the steps were taken.
        rejected: Number of steps that were tried and rejected.
        refined: Number of images that were solved again with shorter steps.
    """

    v: Images
    integrals: Rate
    errors: Errors
    grid: tuple[float, ...]
    rejected: int = 0
    refined: int = 0

    def with_part(self, images: Tensor, part: Solution) -> Solution:
        """Return this solution with the results of some images replaced; a mask ``(B,)`` selects them."""

        def put(whole: Tensor, new: Tensor) -> Tensor:
            return whole.index_put((images,), new)

        return replace(
            self,
            v=put(self.v, part.v),
            integrals=tuple(map(put, self.integrals, part.integrals)),
            errors=Errors(*map(put, self.errors, part.errors)),
            refined=len(part.v),
        )


class _Step(NamedTuple):
    v: Images
    increments: Rate
    errors: Errors
    opening: Rate
    closing: Rate | None


def uniform_grid(start: float, end: float, steps: int) -> tuple[float, ...]:
    """Return ``steps + 1`` times, the last of them ``end`` exactly."""
    return (*(start + (end - start) * i / steps for i in range(steps)), end)


def halved(grid: Sequence[float]) -> tuple[float, ...]:
    """Return a grid with a time in the middle of every step."""
    middles = [0.5 * (start + end) for start, end in pairwise(grid)]
    return (*(time for pair in zip(grid, middles, strict=False) for time in pair), grid[-1])


def integrate(
    tableau: Tableau, rates: Rates, v: Images, grid: Sequence[float], estimates: bool = True
) -> Solution:
    """Step from each time of the grid to the next.

    Args:
        tableau: The method.
        rates: Maps a time and ``v`` to the rates.
        v: The state at ``grid[0]``.
        grid: Increasing or decreasing times.
        estimates: Whether to estimate the errors.
    """
    errors = _no_errors(v)
    integrals: Rate = ()
    first: Rate | None = None
    for place, (t, end) in enumerate(pairwise(grid)):
        closes = None if place < len(grid) - 2 else estimates
        step = _step(tableau, rates, v, t, end - t, first, closes)
        v, first = step.v, step.closing
        integrals = _add(integrals, step.increments)
        errors = errors.plus(step.errors)
    return Solution(v, integrals, errors, tuple(grid))


def adapt(tableau: Tableau, rates: Rates, v: Images, start: float, end: float, tolerance: float) -> Solution:
    """Choose steps so that the estimated errors of every image add up to no more than the tolerance.

    Args:
        tableau: A method with an error estimate.
        rates: Maps a time and ``v`` to the rates.
        v: The state at ``start``.
        start: Time to begin at.
        end: Time to end at; the last step ends there exactly.
        tolerance: Tolerance for the worst image, in the units of :class:`Errors`.

    Raises:
        NumericalError: The solver cannot reach the end.
    """
    whole = end - start
    share = 0.25  # fraction of the whole time that the next step takes
    done = 0.0
    grid = [start]
    errors = _no_errors(v)
    integrals: Rate = ()
    first: Rate | None = None
    rejected = 0
    while done < 1.0:
        if len(grid) + rejected > MOST_STEPS or share < SHORTEST_STEP:
            raise NumericalError(
                f"{tableau.name}, tolerance {tolerance:g}, did not get from t={start:g} to t={end:g}, only "
                f"to t={grid[-1]:g}; train with a lower learning rate, or loosen the tolerance"
            )
        # The rest is done in one step, or in two equal ones, so that no tiny step is left at the end.
        left = 1.0 - done
        share = left if share > 0.99 * left else min(share, 0.5 * left) if share > 0.5 * left else share
        after = 1.0 if share == left else done + share
        to = end if after == 1.0 else start + whole * after
        step = _step(tableau, rates, v, grid[-1], to - grid[-1], first)
        ratio = step.errors.worst() / (tolerance * share)
        growth = 0.9 * ratio ** (-1.0 / tableau.error_order) if ratio > 0 else 5.0
        if ratio <= 1.0:
            v, first, done = step.v, step.closing, after
            integrals = _add(integrals, step.increments)
            errors = errors.plus(step.errors)
            grid.append(to)
            share *= min(5.0, max(0.5, growth))
        else:
            rejected += 1
            first = step.opening
            share *= min(0.9, max(0.2, growth)) if ratio < float("inf") else 0.2
    return Solution(v, integrals, errors, tuple(grid), rejected)


def _step(
    tableau: Tableau,
    rates: Rates,
    v: Images,
    t: float,
    h: float,
    first: Rate | None,
    last: bool | None = None,
) -> _Step:
    """Take one step.

    Args:
        tableau: The method.
        rates: Maps a time and ``v`` to the rates.
        v: The state at ``t``.
        t: Time to begin at.
        h: Length of the step; negative to go back.
        first: The rates at ``t``, if the step before has computed them.
        last: For the last step, whose last stage may be needed for the error estimate only: whether
            an estimate is requested.
    """
    stages = [rates(t, v) if first is None else first]
    at_end = v
    for place in range(1, len(tableau.stages)):
        at = _along(v, h, tableau.stages[place], [stage[0] for stage in stages])
        node = t + h * tableau.nodes[place]
        if tableau.ends_in_next and place == len(tableau.stages) - 1:
            at_end = at
            if last is not None:
                break
            node = t + h
        stages.append(rates(node, at))
    if not tableau.ends_in_next:
        at_end = _along(v, h, tableau.weights, [stage[0] for stage in stages])
    integrands = [stage[1:] for stage in stages]
    increments = tuple(
        _weighted(h, tableau.weights[: len(stages)], each) for each in zip(*integrands, strict=True)
    )
    if last and tableau.ends_in_next:
        with torch.no_grad():
            stages.append(rates(t + h, at_end))
    estimated = tableau.errors and len(stages) == len(tableau.stages)
    errors = _errors(tableau, h, v, at_end, stages) if estimated else _no_errors(v)
    return _Step(at_end, increments, errors, stages[0], stages[-1] if tableau.ends_in_next else None)


@torch.no_grad()
def _errors(tableau: Tableau, h: float, v: Images, at_end: Images, stages: Sequence[Rate]) -> Errors:
    error = _weighted(h, tableau.errors, [stage[0] for stage in stages])
    scale = torch.maximum(v.abs(), at_end.abs()) + 1.0
    state = (error / scale).square().flatten(1).mean(1).sqrt()
    if len(stages[0]) == 1:
        return Errors(state, torch.zeros_like(state))
    log_det = _weighted(h, tableau.errors, [stage[1] for stage in stages])
    return Errors(state, log_det.abs() / max(1, v.shape[1:].numel()))


def _no_errors(v: Images) -> Errors:
    return Errors(v.new_zeros(v.shape[0]), v.new_zeros(v.shape[0]))


def _along(v: Tensor, h: float, coefficients: Sequence[float], rates: Sequence[Tensor]) -> Tensor:
    for coefficient, rate in zip(coefficients, rates, strict=True):
        if coefficient:
            v = torch.add(v, rate, alpha=h * coefficient)
    return v


def _weighted(h: float, coefficients: Sequence[float], rates: Sequence[Tensor]) -> Tensor:
    return _along(torch.zeros_like(rates[0]), h, coefficients, rates)


def _add(totals: Rate, increments: Rate) -> Rate:
    return tuple(a + b for a, b in zip(totals, increments, strict=True)) if totals else increments
