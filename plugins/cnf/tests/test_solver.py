"""Every solver that is offered is right at its end point, converges at its order and knows its error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor

from flowzoo.api import NumericalError, OptionError
from flowzoo_cnf.runge_kutta import Rate, Rates, Solution, integrate, uniform_grid
from flowzoo_cnf.solver import TABLEAUS, Method, Solver
from flowzoo_cnf.tableau import DOPRI5, Tableau

METHODS = get_args(Method)
CONTROLLED = [method for method in METHODS if method not in ("midpoint", "rk4")]
OURS = [tableau for tableau in TABLEAUS.values() if tableau.errors]
Right = Callable[[float, Tensor], Tensor]


def solver_of(method: Method, tolerance: float = 1e-6) -> Solver:
    return Solver(method, tolerance) if method in CONTROLLED else Solver(method, steps=1000)


class Toy:
    """Dynamics of given rates, or of a right-hand side and an integral that is its first component's."""

    def __init__(self, rates: Rates, v: Tensor) -> None:
        self.like = v
        self.integrals = (v.new_zeros(len(v)),)
        self._rates = rates

    def __call__(self, t: float, v: Tensor) -> Rate:
        return self._rates(t, v)

    def part(self, images: Tensor) -> Toy:
        return Toy(self._rates, self.like[images])


def with_integral(right: Right, v: Tensor) -> Toy:
    def rates(t: float, v: Tensor) -> Rate:
        dv = right(t, v)
        return dv, dv.flatten(1)[:, 0]

    return Toy(rates, v)


def solve(solver: Solver, right: Right, value: float, start: float, end: float) -> Solution:
    v = torch.full((2, 1, 1, 1), value, dtype=torch.float64)
    return solver.solve(with_integral(right, v), start, end)


def value_of(solution: Solution) -> float:
    return float(solution.v[0, 0, 0, 0])


def wavy(t: float, v: Tensor) -> Tensor:
    return torch.sin(3 * v) + t


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (1.0, 0.0), (0.0, 1.37)])
def test_a_rate_that_depends_on_time_alone_is_integrated_to_the_end_point(
    method: Method, start: float, end: float
) -> None:
    # torchdiffeq's own bosh3 answers 1.04 or 1.69 for the first of these.
    found = solve(solver_of(method), lambda t, v: torch.full_like(v, 2 * t), start**2, start, end)
    assert value_of(found) == pytest.approx(end**2, abs=1e-6)
    assert float(found.integrals[0][0]) == pytest.approx(end**2 - start**2, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_exponential_growth_is_right_at_the_end_point(method: Method) -> None:
    found = solve(solver_of(method), lambda t, v: v, 1.0, 0.0, 1.0)
    assert value_of(found) == pytest.approx(2.718281828459045, abs=1e-4)


@pytest.mark.parametrize("method", CONTROLLED)
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
def test_the_error_at_the_end_is_within_the_tolerance(method: Method, tolerance: float) -> None:
    exact = value_of(solve(Solver("torchdiffeq-dopri8", 1e-13), wavy, 0.3, 0.0, 1.0))
    found = solve(Solver(method, tolerance), wavy, 0.3, 0.0, 1.0)
    # torchdiffeq's tolerance is that of a step.
    allowed = tolerance * (10 if method.startswith("torchdiffeq") else 2)
    assert abs(value_of(found) - exact) < allowed


@pytest.mark.parametrize("tableau", TABLEAUS.values(), ids=TABLEAUS)
def test_a_method_converges_at_its_order(tableau: Tableau) -> None:
    exact = solve(Solver("torchdiffeq-dopri8", 1e-13), wavy, 0.3, 0.0, 1.0)

    def error(steps: int, of: Callable[[Solution], float]) -> float:
        method: Method = tableau.name  # type: ignore[assignment]
        return abs(of(solve(Solver(method, steps=steps), wavy, 0.3, 0.0, 1.0)) - of(exact))

    for of in (value_of, lambda found: float(found.integrals[0][0])):
        assert error(20, of) / error(40, of) == pytest.approx(2**tableau.order, rel=0.25)


@pytest.mark.parametrize("tableau", OURS, ids=lambda tableau: tableau.name)
def test_the_estimate_is_that_of_the_embedded_method(tableau: Tableau) -> None:
    """Over one step the estimate is the difference of two answers, and falls with the lower one's order."""
    method: Method = tableau.name
    estimates = [
        float(solve(Solver(method, steps=steps), wavy, 0.3, 0.0, 1.0).errors.state[0]) for steps in (20, 40)
    ]
    # Local errors fall by one order more, and there are twice as many.
    assert estimates[0] / estimates[1] == pytest.approx(2**tableau.error_order, rel=0.25)
    b = tableau.weights
    embedded = [weight - error for weight, error in zip(b, tableau.errors, strict=True)]
    # Order conditions of the embedded weights, up to the third.
    nodes = tableau.nodes
    assert sum(embedded) == pytest.approx(1.0, abs=1e-12)
    assert sum(w * c for w, c in zip(embedded, nodes, strict=True)) == pytest.approx(1 / 2, abs=1e-12)
    if tableau.error_order >= 3:
        assert sum(w * c**2 for w, c in zip(embedded, nodes, strict=True)) == pytest.approx(1 / 3, abs=1e-12)


@pytest.mark.parametrize("tableau", OURS, ids=lambda tableau: tableau.name)
def test_estimated_errors_are_of_the_size_of_the_real_ones_or_larger(tableau: Tableau) -> None:
    exact = solve(Solver("torchdiffeq-dopri8", 1e-13), wavy, 0.3, 0.0, 1.0)
    method: Method = tableau.name
    found = solve(Solver(method, steps=4), wavy, 0.3, 0.0, 1.0)
    real = abs(value_of(found) - value_of(exact)) / 2
    assert 0.3 * real < float(found.errors.state[0]) < 1000 * real


def test_what_depends_on_the_log_determinant_alone_is_controlled_too() -> None:
    """A state that does not move, with a density that changes quickly."""

    def rates(t: float, v: Tensor) -> Rate:
        return torch.zeros_like(v), torch.full_like(v.flatten(1)[:, 0], 10.0 * math.sin(10.0 * t))

    v = torch.zeros(2, 1, 1, 1, dtype=torch.float64)
    exact = 1.0 - torch.tensor(10.0, dtype=torch.float64).cos()
    for solver in (Solver("dopri5", 1e-4), Solver("bosh3", 1e-3)):
        adapted = solver.solve(Toy(rates, v), 0.0, 1.0).integrals[0]
        in_steps = solver.solve_in_steps(Toy(rates, v), 0.0, 1.0, steps=1)[0].integrals[0]
        for found in (adapted, in_steps):
            torch.testing.assert_close(found, exact.expand(2), atol=2e-3, rtol=0)


def test_steps_rise_until_the_error_allows_them_and_fall_when_fewer_will_do() -> None:
    v = torch.full((3, 1, 1, 1), 0.3, dtype=torch.float64)
    solver = Solver("dopri5", 1e-6)
    found, steps = solver.solve_in_steps(with_integral(wavy, v), 0.0, 1.0, steps=1)
    assert found.errors.typical() <= 1e-6
    assert len(found.grid) - 1 > 1
    assert found.rejected > 0
    again, same = solver.solve_in_steps(with_integral(wavy, v), 0.0, 1.0, steps=steps)
    assert again.rejected == 0
    assert steps - 1 <= same <= steps
    fewer = solver.solve_in_steps(with_integral(lambda t, v: 0.1 * v, v), 0.0, 1.0, steps=steps)[1]
    assert fewer < steps


def test_the_worst_image_sets_the_steps() -> None:
    def rates(t: float, v: Tensor) -> Rate:
        speed = torch.tensor([0.1, 0.1, 20.0], dtype=torch.float64).reshape(3, 1, 1, 1)
        return torch.sin(speed * t) * speed, v.flatten(1)[:, 0]

    v = torch.zeros(3, 1, 1, 1, dtype=torch.float64)
    found = Solver("dopri5", 1e-5).solve(Toy(rates, v), 0.0, 1.0)
    assert found.errors.worst() <= 1e-5
    assert float(found.v[2]) == pytest.approx(float(1 - torch.tensor(20.0).cos()), abs=1e-4)


def test_a_grid_that_was_found_gives_the_same_answer_again() -> None:
    v = torch.full((3, 1, 1, 1), 0.3, dtype=torch.float64)
    solver = Solver("dopri5", 1e-5)
    found = solver.solve(with_integral(wavy, v), 0.0, 1.0)
    again = solver.solve(with_integral(wavy, v), 0.0, 1.0, grid=found.grid)
    assert found.grid[0] == 0.0
    assert found.grid[-1] == 1.0
    torch.testing.assert_close(again.v, found.v, atol=1e-14, rtol=0)
    torch.testing.assert_close(again.integrals, found.integrals, atol=1e-14, rtol=0)


# torchdiffeq takes no empty states.
@pytest.mark.parametrize("method", [method for method in METHODS if not method.startswith("torchdiffeq")])
def test_a_batch_without_images_is_solved(method: Method) -> None:
    v = torch.zeros(0, 1, 1, 1)
    found = solver_of(method).solve(with_integral(wavy, v), 0.0, 1.0)
    assert found.v.shape == v.shape


def test_a_uniform_grid_ends_exactly_at_the_end() -> None:
    for steps in (3, 7, 10, 49):
        assert uniform_grid(0.0, 1.1, steps)[-1] == 1.1
        assert len(uniform_grid(1.0, 0.0, steps)) == steps + 1


@pytest.mark.parametrize("method", ["dopri5", "bosh3", "torchdiffeq-dopri5"])
def test_a_solver_that_does_not_arrive_says_so_in_one_line(method: Method) -> None:
    with pytest.raises(NumericalError, match="did not get from t=0 to t=1"):
        solve(Solver(method, 1e-5), lambda t, v: v * v, 2.0, 0.0, 1.0)  # infinite at t = 1/2


def test_training_that_does_not_arrive_says_so_in_one_line() -> None:
    v = torch.full((2, 1, 1, 1), 2.0, dtype=torch.float64)
    with pytest.raises(NumericalError, match="did not get from t=0 to t=1 in 1000 steps"):
        Solver("dopri5", 1e-5).solve_in_steps(with_integral(lambda t, v: v * v, v), 0.0, 1.0, steps=1)


@pytest.mark.parametrize(
    ("method", "steps", "adjoint", "complaint"),
    [
        ("midpoint", None, False, "evaluation_steps"),
        ("torchdiffeq-dopri5", 3, False, "steps and evaluation_steps out"),
        ("dopri5", None, True, "solver=torchdiffeq-dopri5"),
    ],
)
def test_a_solver_that_does_not_go_with_its_options_is_refused(
    method: Method, steps: int | None, adjoint: bool, complaint: str
) -> None:
    with pytest.raises(OptionError, match=complaint):
        Solver(method, 1e-3, steps, adjoint)


def test_an_image_that_the_grid_is_too_coarse_for_is_solved_again_alone() -> None:
    easy = torch.full((3, 1, 1, 1), 0.3, dtype=torch.float64)
    solver = Solver("dopri5", 1e-5)
    grid = solver.solve(with_integral(stiff, easy), 0.0, 1.0).grid
    mixed = easy.clone()
    mixed[1] = 9.0
    found = solver.solve(with_integral(stiff, mixed), 0.0, 1.0, grid=grid)
    assert found.refined == 1
    assert found.errors.worst() <= 3 * 1e-5
    exact = solve(Solver("torchdiffeq-dopri8", 1e-12), stiff, 9.0, 0.0, 1.0)
    torch.testing.assert_close(found.v[1], exact.v[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(found.integrals[0][1], exact.integrals[0][0], atol=1e-4, rtol=0)
    alone = solver.solve(with_integral(stiff, easy), 0.0, 1.0, grid=grid)
    assert torch.equal(found.v[::2], alone.v[::2])
    coarse = integrate(DOPRI5, with_integral(stiff, mixed), mixed, grid)
    assert not float((coarse.v[1] - exact.v[0]).abs()) <= 1e-2


def stiff(t: float, v: Tensor) -> Tensor:
    """Harmless near 0, and asking for short steps far from it."""
    return -torch.sinh(0.6 * v)


@pytest.mark.parametrize("grad", [True, False])
def test_fields_that_are_not_finite_are_found_out_at_once(grad: bool) -> None:
    calls = 0

    def broken(t: float, v: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return v * float("nan")

    v = torch.ones(2, 1, 1, 1, requires_grad=grad)
    with pytest.raises(NumericalError, match="not finite at t=0"):
        Solver("dopri5", 1e-5).solve_in_steps(with_integral(broken, v), 0.0, 1.0, steps=1)
    assert calls < 10


def test_a_number_of_steps_that_was_set_takes_no_evaluation_for_an_estimate() -> None:
    calls = 0

    def counted(t: float, v: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return v

    v = torch.ones(2, 1, 1, 1)
    Solver("dopri5", steps=2).solve_in_steps(with_integral(counted, v), 0.0, 1.0, steps=1)
    assert calls == 12
