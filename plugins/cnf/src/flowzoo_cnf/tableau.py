"""Explicit Runge-Kutta methods, as their coefficients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tableau:
    """An explicit method, with an embedded one of lower order if it can estimate its error.

    A stage is ``k_i = f(t + c_i h, v + h sum_j a_ij k_j)``, a step ``v + h sum_i b_i k_i``.

    Attributes:
        name: Name in options and reports.
        order: Order of the method: the error at the end falls with this power of the step.
        nodes: The times of the stages, ``c``.
        stages: The coefficients ``a``, one row for each stage; the first is empty.
        weights: The weights ``b``.
        errors: ``b`` minus the embedded method's; empty without one.
        error_order: Order of the embedded method.
    """

    name: str
    order: int
    nodes: tuple[float, ...]
    stages: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    errors: tuple[float, ...] = ()
    error_order: int = 0

    @property
    def ends_in_next(self) -> bool:
        """Whether the last stage is at the end of the step, so that it is also the next step's first."""
        return self.nodes[-1] == 1.0 and self.stages[-1] == self.weights[:-1]


DOPRI5 = Tableau(
    name="dopri5",
    order=5,
    nodes=(0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0),
    stages=(
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    ),
    weights=(35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
    errors=(71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40),
    error_order=4,
)
"""Dormand and Prince, "A family of embedded Runge-Kutta formulae", 1980."""

BOSH3 = Tableau(
    name="bosh3",
    order=3,
    nodes=(0.0, 1 / 2, 3 / 4, 1.0),
    stages=((), (1 / 2,), (0.0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
    weights=(2 / 9, 1 / 3, 4 / 9, 0.0),
    errors=(-5 / 72, 1 / 12, 1 / 9, -1 / 8),
    error_order=2,
)
"""Bogacki and Shampine, "A 3(2) pair of Runge-Kutta formulas", 1989."""

MIDPOINT = Tableau("midpoint", 2, (0.0, 0.5), ((), (0.5,)), (0.0, 1.0))

RK4 = Tableau(
    name="rk4",
    order=4,
    nodes=(0.0, 0.5, 0.5, 1.0),
    stages=((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
    weights=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
)
