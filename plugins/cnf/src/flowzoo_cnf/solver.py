"""Solves an ODE by a method, with a tolerance or a number of steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from flowzoo.api import NumericalError, OptionError
from flowzoo_cnf.reference import solve_by_torchdiffeq
from flowzoo_cnf.runge_kutta import (
    MOST_STEPS,
    Problem,
    Rate,
    Solution,
    adapt,
    halved,
    integrate,
    uniform_grid,
)
from flowzoo_cnf.tableau import BOSH3, DOPRI5, MIDPOINT, RK4, Tableau

Method = Literal[
    "dopri5",
    "bosh3",
    "midpoint",
    "rk4",
    "torchdiffeq-dopri5",
    "torchdiffeq-dopri8",
    "torchdiffeq-bosh3",
    "torchdiffeq-adaptive_heun",
]

TABLEAUS = {tableau.name: tableau for tableau in (DOPRI5, BOSH3, MIDPOINT, RK4)}

PREFIX = "torchdiffeq-"

SLACK = 3.0
"""Largest estimate, in tolerances, of an image on the grid of others; its true error is much smaller."""


@dataclass(frozen=True)
class Solver:
    """A method, with a tolerance or a number of steps.

    Attributes:
        method: Our own Runge-Kutta methods, through whose steps autograd differentiates, or torchdiffeq's.
        tolerance: For our own methods, the largest sum of the steps' estimated errors, of the state (root
            mean square, each value over one plus its size) and of the log-density (nats per dimension); in
            training of the batch, otherwise of every image. For torchdiffeq's, the relative and absolute
            tolerance of a step.
        steps: Take this number of equal steps, without regard to errors.
        adjoint: Compute the gradient by solving backwards; torchdiffeq only.

    Raises:
        OptionError: The method does not fit the other settings.
    """

    method: Method
    tolerance: float = 1e-3
    steps: int | None = None
    adjoint: bool = False

    def __post_init__(self) -> None:
        if self.tableau is None:
            if self.steps is not None:
                raise OptionError(
                    f"{self.method} chooses its steps by a tolerance. Leave steps and evaluation_steps out, "
                    "or set another solver"
                )
        elif self.adjoint:
            raise OptionError(
                f"gradient=adjoint works with torchdiffeq's solvers only. Set solver={PREFIX}dopri5, or "
                "gradient=discrete"
            )
        elif not self.tableau.errors and self.steps is None:
            raise OptionError(
                f"{self.method} has no error estimate to choose its steps by. Set steps (for training) "
                "or evaluation_steps (for evaluation)"
            )

    def __str__(self) -> str:
        name = self.method.replace(PREFIX, "torchdiffeq's ")
        if self.steps is not None:
            return f"{name}, {self.steps} steps a block"
        return f"{name}, tolerance {self.tolerance:g}"

    @property
    def tableau(self) -> Tableau | None:
        """The method's coefficients; None for torchdiffeq's."""
        return TABLEAUS.get(self.method)

    def solve(
        self,
        problem: Problem,
        start: float,
        end: float,
        *,
        grid: Sequence[float] | None = None,
        adjoint_of: Sequence[Tensor] = (),
    ) -> Solution:
        """Solve on steps that keep every image's estimated error within the tolerance, or on a grid.

        An image for which the grid is too coarse is solved again with steps of half the length.

        Args:
            problem: What to solve.
            start: Time to begin at.
            end: Time to end at; before ``start`` to integrate backwards.
            grid: The grid of an earlier solution.
            adjoint_of: Tensors that the rates depend on and whose gradients the adjoint method computes.

        Raises:
            NumericalError: The solver did not finish.
        """
        tableau, v = self.tableau, problem.like
        if tableau is None:
            return solve_by_torchdiffeq(
                self.method.removeprefix(PREFIX),
                self.tolerance,
                problem,
                v,
                problem.integrals,
                start,
                end,
                adjoint_of if self.adjoint else None,
            )
        if self.steps is not None:
            return integrate(tableau, problem, v, uniform_grid(start, end, self.steps))
        if grid:
            return self._solve_on(tableau, problem, grid)
        return adapt(tableau, problem, v, start, end, self.tolerance)

    def solve_in_steps(self, problem: Problem, start: float, end: float, steps: int) -> tuple[Solution, int]:
        """Solve in equal steps, as few as the tolerance allows for the batch's estimated error.

        Batches of one training need about as many steps as the batch before. So it is cheaper to begin
        with that number, and to start again if the estimate is too large, than to choose each step.

        Args:
            problem: What to solve.
            start: Time to begin at.
            end: Time to end at.
            steps: Number of steps to begin with.

        Returns:
            The solution, and the number of steps to begin with for the next batch.

        Raises:
            NumericalError: No number of steps is enough.
        """
        tableau, v = self.tableau, problem.like
        assert tableau is not None, "torchdiffeq's solvers choose their own steps"
        if self.steps is not None:
            grid = uniform_grid(start, end, self.steps)
            return integrate(tableau, problem, v, grid, estimates=False), self.steps
        found = integrate(tableau, problem, v, uniform_grid(start, end, steps))
        excess = found.errors.typical() / self.tolerance
        if excess <= 1.0:
            return found, min(steps, _steps_for(0.5, excess, steps, tableau))
        del found  # and so frees what its gradient would have needed
        rejected = 0
        with torch.no_grad():
            _require_finite(problem(start, v), start)
            while not excess <= 1.0:
                rejected += steps
                steps = min(4 * steps, max(steps + 1, _steps_for(0.7, excess, steps, tableau)))
                if steps > MOST_STEPS:
                    raise NumericalError(
                        f"{self} did not get from t={start:g} to t={end:g} in {MOST_STEPS} steps; "
                        "train with a lower learning rate, or loosen the tolerance"
                    )
                tried = integrate(tableau, problem, v, uniform_grid(start, end, steps))
                excess = tried.errors.typical() / self.tolerance
        if torch.is_grad_enabled():
            tried = integrate(tableau, problem, v, uniform_grid(start, end, steps))
        return replace(tried, rejected=rejected), steps

    def _solve_on(self, tableau: Tableau, problem: Problem, grid: Sequence[float]) -> Solution:
        found = integrate(tableau, problem, problem.like, grid)
        # NaN fails this comparison too.
        beyond = ~(found.errors.larger() <= SLACK * self.tolerance)
        if not tableau.errors or not bool(beyond.any()):
            return found
        if len(grid) > MOST_STEPS:
            raise NumericalError(
                f"{self} did not get from t={grid[0]:g} to t={grid[-1]:g} in {MOST_STEPS} steps for "
                f"{int(beyond.sum())} image(s) of the batch; loosen the tolerance"
            )
        return found.with_part(beyond, self._solve_on(tableau, problem.part(beyond), halved(grid)))


def _require_finite(rates: Rate, time: float) -> None:
    if not all(bool(each.isfinite().all()) for each in rates):
        raise NumericalError(
            f"the vector field is not finite at t={time:g}; train with a lower learning rate"
        )


def _steps_for(target: float, excess: float, steps: int, tableau: Tableau) -> int:
    """Return the number of steps that should bring the estimate to a fraction of the tolerance."""
    if not math.isfinite(excess):
        return 4 * steps
    growth: float = (excess / target) ** (1.0 / tableau.error_order)
    return max(1, math.ceil(steps * growth))
