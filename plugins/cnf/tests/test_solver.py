"""Every solver that is offered is right at its end point, and converges at its order."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor

from flowzoo.api import NumericalError
from flowzoo_cnf.solver import Method, Solver, State, worst_image_norm

METHODS = get_args(Method)
ORDERS = {"euler": 1, "midpoint": 2, "heun3": 3, "rk4": 4}


def solve(solver: Solver, rates: object, value: float, start: float, end: float) -> float:
    state: State = (torch.full((2, 1, 1, 1), value, dtype=torch.float64), torch.zeros(2, dtype=torch.float64))

    def both(t: Tensor, state: State) -> State:
        return rates(t, state[0]), torch.zeros_like(state[1])  # type: ignore[operator]

    return float(solver.solve(both, state, start, end, worst_image_norm)[0][0, 0, 0, 0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (1.0, 0.0), (0.0, 1.37)])
def test_a_rate_that_depends_on_time_alone_is_integrated_to_the_end_point(
    method: Method, start: float, end: float
) -> None:
    # torchdiffeq's own bosh3 answers 1.04 or 1.69 for the first of these.
    found = solve(Solver(method, 1e-6, 2000), lambda t, v: 2 * t.expand_as(v), start**2, start, end)
    assert found == pytest.approx(end**2, abs=1e-3 if method == "euler" else 1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_exponential_growth_is_right_at_the_end_point(method: Method) -> None:
    found = solve(Solver(method, 1e-6, 2000), lambda t, v: v, 1.0, 0.0, 1.0)
    assert found == pytest.approx(2.718281828459045, abs=1e-3 if method in ("euler", "fehlberg2") else 1e-4)


@pytest.mark.parametrize(("method", "order"), ORDERS.items())
def test_a_fixed_step_method_converges_at_its_order(method: Method, order: int) -> None:
    def rates(t: Tensor, v: Tensor) -> Tensor:
        return torch.sin(3 * v) + t

    exact = solve(Solver("dopri8", 1e-13), rates, 0.3, 0.0, 1.0)
    errors = [abs(solve(Solver(method, steps=n), rates, 0.3, 0.0, 1.0) - exact) for n in (32, 64)]
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.15)


def test_a_solver_that_does_not_arrive_says_so_in_one_line() -> None:
    with pytest.raises(NumericalError, match="dopri5, tolerance 1e-05 did not get from t=0 to t=1"):
        solve(Solver("dopri5"), lambda t, v: v * v, 2.0, 0.0, 1.0)  # infinite at t = 1/2
