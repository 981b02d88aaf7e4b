"""How an ODE is solved: by which method, and how many steps it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from flowzoo.api import Images, NumericalError, OptionError
from flowzoo_cnf.reference import solve_by_torchdiffeq
from flowzoo_cnf.runge_kutta import MOST_STEPS, Rate, Rates, Solution, adapt, integrate, uniform_grid
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


@dataclass(frozen=True)
class Solver:
    """A method, and what sets its number of steps.

    Attributes:
        method: Our own Runge-Kutta methods, through whose steps autograd differentiates, or torchdiffeq's.
        tolerance: Of our own, the largest sum of the steps' estimated errors, of the state (root mean square,
            each value over one plus its size) and of the log-density (nats per dimension); in training of the
            batch, otherwise of every image. Of torchdiffeq's, relative and absolute, a step.
        steps: Take so many equal steps, whatever their errors.
        adjoint: Get the gradient by solving backwards, torchdiffeq only.

    Raises:
        OptionError: The method does not go with the rest.
    """

    method: Method
    tolerance: float = 1e-3
    steps: int | None = None
    adjoint: bool = False

    def __post_init__(self) -> None:
        if self.tableau is None:
            if self.steps is not None:
                raise OptionError(f"{self.method} chooses its own steps: set a tolerance, or another solver")
        elif self.adjoint:
            raise OptionError(
                f"the adjoint method goes with torchdiffeq's solvers: set solver={PREFIX}dopri5, or "
                "gradient=discrete"
            )
        elif not self.tableau.errors and self.steps is None:
            raise OptionError(
                f"{self.method} has no error estimate to choose its steps by: say how many, steps=8"
            )

    def __str__(self) -> str:
        name = self.method.replace(PREFIX, "torchdiffeq's ")
        if self.steps is not None:
            return f"{name}, {self.steps} steps a block"
        return f"{name}, tolerance {self.tolerance:g}"

    @property
    def tableau(self) -> Tableau | None:
        """The method's coefficients, None for torchdiffeq's."""
        return TABLEAUS.get(self.method)

    def solve(
        self,
        rates: Rates,
        v: Images,
        integrals: Rate,
        start: float,
        end: float,
        *,
        grid: Sequence[float] | None = None,
        adjoint_of: Sequence[Tensor] = (),
    ) -> Solution:
        """Solve on a grid, or on steps that keep every image's estimated error within the tolerance.

        Args:
            rates: From a time and ``v`` to the rates.
            v: ``(B, C, H, W)`` at ``start``.
            integrals: Zeros of their shapes.
            start: Time to begin at.
            end: Time to end at; before ``start`` to integrate backwards.
            grid: That of an earlier solution.
            adjoint_of: What the rates depend on and gradients are wanted for, if the adjoint method is.

        Raises:
            NumericalError: The solver did not get to the end.
        """
        tableau = self.tableau
        if tableau is None:
            method = self.method.removeprefix(PREFIX)
            return solve_by_torchdiffeq(
                method,
                self.tolerance,
                rates,
                v,
                integrals,
                start,
                end,
                adjoint_of if self.adjoint else None,
            )
        if grid:
            return integrate(tableau, rates, v, grid)
        if self.steps is not None:
            return integrate(tableau, rates, v, uniform_grid(start, end, self.steps))
        return adapt(tableau, rates, v, start, end, self.tolerance)

    def solve_in_steps(
        self, rates: Rates, v: Images, start: float, end: float, steps: int
    ) -> tuple[Solution, int]:
        """Solve in equal steps, as few as keep the batch's estimated error within the tolerance.

        Batches of one training need about as many steps as the one before, so that it is cheaper to begin
        with as many and to start again, should the estimate not allow it, than to look for each step.

        Args:
            rates: From a time and ``v`` to the rates.
            v: ``(B, C, H, W)`` at ``start``.
            start: Time to begin at.
            end: Time to end at.
            steps: To begin with.

        Returns:
            The solution, and with how many steps to begin at the next batch.

        Raises:
            NumericalError: No number of steps will do.
        """
        tableau = self.tableau
        assert tableau is not None, "torchdiffeq's solvers choose their own steps"
        rejected = 0
        while True:
            found = integrate(tableau, rates, v, uniform_grid(start, end, self.steps or steps))
            if self.steps is not None:
                return found, self.steps
            excess = found.errors.typical() / self.tolerance
            if excess <= 1.0:
                fewer = _steps_for(0.5, excess, steps, tableau)
                return Solution(found.v, found.integrals, found.errors, found.grid, rejected), min(
                    steps, fewer
                )
            rejected += steps
            steps = min(4 * steps, max(steps + 1, _steps_for(0.7, excess, steps, tableau)))
            if steps > MOST_STEPS:
                raise NumericalError(
                    f"{self} did not get from t={start:g} to t={end:g} in {MOST_STEPS} steps; "
                    "train with a lower learning rate, or loosen the tolerance"
                )


def _steps_for(target: float, excess: float, steps: int, tableau: Tableau) -> int:
    """Return how many steps should bring the estimate to a share of the tolerance."""
    if not math.isfinite(excess):
        return 4 * steps
    growth: float = (excess / target) ** (1.0 / tableau.error_order)
    return max(1, math.ceil(steps * growth))
