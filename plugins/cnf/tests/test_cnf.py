"""The continuous flow against closed forms and brute-force Jacobians."""

from __future__ import annotations

import copy
import math
import pickle
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor, nn

from flowzoo.api import EVALUATION, Call, Images, Ledger, Network, OptionError, PartError
from flowzoo_cnf.cnf import CNF
from flowzoo_cnf.divergence import colour, exact, hutchinson
from flowzoo_cnf.settings import Objective, Settings, Trace
from flowzoo_cnf.solver import Method, Solver

Mode = Literal["evaluate", "train"]

SHAPE = (1, 2, 2)
TIGHTLY = Solver("torchdiffeq-dopri8", 1e-10)
TIGHT = Settings(trace="exact", evaluation_trace="exact").solved_by(TIGHTLY, TIGHTLY)
MATRIX = 0.4 * torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


class LinearField(Network):
    """``f(v) = A v`` on flattened images."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix)

    def forward(
        self, x: Images, context: Images | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Images:
        return (x.flatten(1) @ self.matrix.T).reshape(x.shape)


class WavyField(Network):
    """A smooth field that is not linear, depends on time and has no constant divergence."""

    def __init__(self, strength: float = 0.5) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.tensor(strength, dtype=torch.float64))

    def forward(
        self, x: Images, context: Images | None = None, time: Tensor | None = None, call: Call = EVALUATION
    ) -> Images:
        assert time is not None
        turned = torch.roll(x, 1, dims=-1)
        return self.strength * torch.sin(2.0 * x + turned + time.reshape(-1, 1, 1, 1))


def images(n: int = 3, seed: int = 0) -> Tensor:
    return torch.randn(n, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("method", get_args(Method))
@pytest.mark.parametrize("mode", ["evaluate", "train"])
def test_a_linear_field_gives_the_matrix_exponential_and_the_trace(method: Method, mode: Mode) -> None:
    x = images()
    steps = {"midpoint": 300, "rk4": 30}
    solver = Solver(method, steps=steps[method]) if method in steps else Solver(method, 1e-6)
    flow = CNF([LinearField(MATRIX)], TIGHT.solved_by(solver, solver))
    z, log_det = flow(x, None, Call(mode=mode))
    expected = (x.flatten(1) @ torch.linalg.matrix_exp(MATRIX).T).reshape(x.shape)
    torch.testing.assert_close(z, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(log_det, MATRIX.trace().expand(3), atol=1e-8, rtol=0)
    torch.testing.assert_close(flow.inverse(z), x, atol=1e-5, rtol=0)


def test_blocks_run_one_after_another() -> None:
    x = images()
    second = MATRIX.T - 0.1
    z, log_det = CNF([LinearField(MATRIX), LinearField(second)], TIGHT)(x)
    both = torch.linalg.matrix_exp(second) @ torch.linalg.matrix_exp(MATRIX)
    torch.testing.assert_close(z.flatten(1), x.flatten(1) @ both.T, atol=1e-8, rtol=0)
    torch.testing.assert_close(log_det, (MATRIX.trace() + second.trace()).expand(3), atol=1e-8, rtol=0)


def test_the_log_determinant_is_that_of_the_map() -> None:
    flow = CNF([WavyField(), WavyField(-0.7)], TIGHT)
    x = images()
    log_det = flow(x)[1].detach()
    for image, found in zip(x, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(
            lambda v: flow.inverse(v[None])[0], flow(image[None])[0][0].detach()
        )
        expected = -torch.linalg.slogdet(jacobian.detach().reshape(4, 4))[1]
        assert float(found) == pytest.approx(float(expected), abs=1e-7)


@pytest.mark.parametrize(
    ("method", "tolerance", "error"),
    [
        ("dopri5", 1e-7, 1e-6),
        ("bosh3", 1e-5, 1e-4),
        ("torchdiffeq-dopri5", 1e-7, 1e-5),
        ("torchdiffeq-dopri8", 1e-7, 1e-5),
        ("torchdiffeq-bosh3", 1e-6, 1e-4),
        ("torchdiffeq-adaptive_heun", 1e-4, 1e-2),
    ],
)
def test_backward_undoes_forward_up_to_the_error_of_the_solver(
    method: Method, tolerance: float, error: float
) -> None:
    solver = Solver(method, tolerance)
    flow = CNF([WavyField(), WavyField(-0.7)], TIGHT.solved_by(evaluation=solver))
    x = images()
    torch.testing.assert_close(flow.inverse(flow(x)[0]).detach(), x, atol=error, rtol=0)


@pytest.mark.parametrize(("method", "order"), [("midpoint", 2), ("bosh3", 3), ("rk4", 4), ("dopri5", 5)])
def test_log_prob_converges_at_the_order_of_the_solver(method: Method, order: int) -> None:
    x = images()
    exact_log_det = CNF([WavyField()], TIGHT)(x)[1]

    def error(steps: int) -> float:
        solver = Solver(method, steps=steps)
        found = CNF([WavyField()], TIGHT.solved_by(evaluation=solver))(x)[1]
        return float((found - exact_log_det).abs().max().detach())

    assert error(8) / error(16) > 0.75 * 2**order


@pytest.mark.parametrize("probes", ["rademacher", "gaussian"])
def test_hutchinson_is_unbiased(probes: str) -> None:
    x = images(1).repeat(20_000, 1, 1, 1)
    field = WavyField()
    call = Call(generator=torch.Generator().manual_seed(1))
    probe = call.rademacher(x) if probes == "rademacher" else call.normal(x)
    found = hutchinson(field.prepare(None, x), x, 0.3, probe)
    truth = exact(field.prepare(None, x), x[:1], 0.3, colour(x, None, norm=True))
    for name in ("diagonal", "trace", "squared_norm"):
        estimate, value = getattr(found, name).detach(), getattr(truth, name).detach()
        standard_error = estimate.std(0) / math.sqrt(len(estimate))
        assert bool(((estimate.mean(0) - value[0]).abs() < 4 * standard_error + 1e-12).all()), name


def test_the_exact_diagonal_is_that_of_the_jacobian() -> None:
    x = images(2)
    field = WavyField()
    time = torch.tensor(0.3, dtype=torch.float64)
    with torch.no_grad():
        found = exact(field.prepare(None, x), x, 0.3, colour(x, None, norm=True))
    for index, image in enumerate(x):
        jacobian = torch.autograd.functional.jacobian(lambda v, t=time: field(v[None], None, t)[0], image)
        jacobian = jacobian.detach().reshape(4, 4)
        torch.testing.assert_close(found.diagonal[index].flatten(), jacobian.diagonal(), atol=1e-12, rtol=0)
        assert float(found.trace[index]) == pytest.approx(float(jacobian.trace()), abs=1e-12)
        assert float(found.squared_norm[index]) == pytest.approx(float(jacobian.square().sum()), abs=1e-12)


def test_the_regularisers_have_their_closed_form_on_a_linear_field() -> None:
    rate = 0.3
    flow = CNF(
        [LinearField(rate * torch.eye(4, dtype=torch.float64))], replace(TIGHT, kinetic=0.01, jacobian=0.02)
    )
    x = images()
    ledger = Ledger()
    flow(x, None, Call(mode="train", ledger=ledger))
    unit = 4 * math.log(2)
    growth = (math.exp(2 * rate) - 1) / (2 * rate)
    kinetic = 0.5 * rate**2 * growth * x.square().flatten(1).mean(1)
    assert ledger.penalties["kinetic"].requires_grad
    torch.testing.assert_close(ledger.penalties["kinetic"].detach(), 0.01 * unit * kinetic, atol=1e-8, rtol=0)
    expected = torch.full((3,), 0.02 * unit * rate**2, dtype=torch.float64)
    torch.testing.assert_close(ledger.penalties["jacobian"].detach(), expected, atol=1e-8, rtol=0)


def test_regularisers_and_steer_are_for_training_only() -> None:
    flow = CNF([LinearField(MATRIX)], replace(TIGHT, kinetic=0.01, jacobian=0.01, steer=0.5))
    plain = CNF([LinearField(MATRIX)], TIGHT)
    ledger = Ledger()
    x = images()
    torch.testing.assert_close(flow(x, None, Call(ledger=ledger)), plain(x))
    assert not ledger.penalties


def test_steer_ends_within_its_range_and_at_another_time_for_each_batch() -> None:
    flow = CNF(
        [LinearField(torch.eye(4, dtype=torch.float64))],
        replace(TIGHT, steer=0.5).solved_by(Solver("rk4", steps=2)),
    )
    call = Call(mode="train", generator=torch.Generator().manual_seed(0))
    # With f(v) = v the log-determinant is 4 T.
    ends = torch.stack([flow(images(), None, call)[1][0] / 4 for _ in range(40)]).detach()
    assert ends.min() >= 0.5
    assert ends.max() <= 1.5
    assert ends.std() == pytest.approx(1 / math.sqrt(12), rel=0.3)


def test_an_outlier_in_the_batch_moves_the_others_by_no_more_than_the_tolerance() -> None:
    tolerance = 1e-4
    settings = TIGHT.solved_by(evaluation=Solver("dopri5", tolerance))
    flow = CNF([WavyField()], settings)
    x = images(8)
    alone = flow(x[:7])[1].detach()
    x[7] *= 1000
    together = flow(x)[1][:7].detach()
    assert float((alone - together).abs().max()) < 10 * tolerance


def test_evaluations_are_counted_and_conditions_noted() -> None:
    ledger = Ledger()
    settings = TIGHT.solved_by(evaluation=Solver("rk4", steps=5))
    CNF([WavyField(), WavyField()], settings)(images(), None, Call(ledger=ledger))
    assert ledger.counts == {"evaluations": 2 * 5 * 4, "steps": 2 * 5, "rejected steps": 0}
    assert ledger.notes == {"solver": {"rk4, 5 steps a block"}, "trace": {"exact"}}


def test_shares_of_linear_fields_are_the_diagonals_on_top_of_earlier_ones() -> None:
    x, before = images(), images(seed=1)
    second = MATRIX.T - 0.1
    z, contributions = CNF([LinearField(MATRIX), LinearField(second)], TIGHT).forward_with_contributions(
        x, before
    )
    own = (MATRIX.diagonal() + second.diagonal()).reshape(1, *SHAPE)
    torch.testing.assert_close(contributions, before + own, atol=1e-8, rtol=0)
    torch.testing.assert_close(z, CNF([LinearField(MATRIX), LinearField(second)], TIGHT)(x)[0])


def test_shares_are_the_integral_of_the_jacobian_s_diagonal_along_the_path() -> None:
    field = WavyField()
    (image,) = images(1)

    def rates(t: float, state: np.ndarray) -> np.ndarray:
        time, v = torch.tensor(t, dtype=torch.float64), torch.from_numpy(state[:4]).reshape(SHAPE)
        jacobian = torch.autograd.functional.jacobian(lambda v: field(v[None], None, time)[0], v)
        diagonal = jacobian.reshape(4, 4).diagonal()
        return np.concatenate([field(v[None], None, time).detach().numpy().ravel(), diagonal.numpy()])

    start = np.concatenate([image.numpy().ravel(), np.zeros(4)])
    path = solve_ivp(rates, (0.0, 1.0), start, method="DOP853", rtol=1e-10, atol=1e-10)
    z, contributions = CNF([field], TIGHT).forward_with_contributions(
        image[None], torch.zeros(1, *SHAPE).double()
    )
    found = torch.cat([z.flatten(), contributions.flatten()]).detach().numpy()
    np.testing.assert_allclose(found, path.y[:, -1], atol=1e-8)
    assert np.abs(path.y[4:, -1]).max() > 0.01


@pytest.mark.parametrize("trace", ["exact", "hutchinson"])
@pytest.mark.parametrize("mode", ["evaluate", "train"])
def test_shares_come_from_the_very_steps_of_forward(trace: Trace, mode: Mode) -> None:
    rough = Solver("dopri5", 1e-3)
    settings = Settings(trace=trace, evaluation_trace=trace, kinetic=0.01, steer=0.5).solved_by(rough, rough)
    flow = CNF([WavyField(2.0), WavyField(-1.5)], settings)
    x = images()

    def run() -> tuple[Call, Ledger]:
        return Call(mode=mode, generator=torch.Generator().manual_seed(0)).collecting()

    (plain, counted), (telling, told) = run(), run()
    z, log_det = flow(x, None, plain)
    same, contributions = flow.forward_with_contributions(x, torch.zeros_like(x), None, telling)
    torch.testing.assert_close(same, z, atol=1e-12, rtol=0)
    torch.testing.assert_close(contributions.flatten(1).sum(1), log_det, atol=1e-12, rtol=0)
    assert counted.counts == told.counts
    torch.testing.assert_close(told.penalties, counted.penalties)


def test_the_first_pass_over_data_leaves_shares_as_they_are() -> None:
    flow = CNF([WavyField()], TIGHT)
    x, before = images(), images(seed=1)
    call = Call(mode="initialise")
    z, contributions = flow.forward_with_contributions(x, before, None, call)
    torch.testing.assert_close(z, flow(x, None, call)[0])
    assert torch.equal(contributions, before)


def test_gradients_of_the_likelihood_match_finite_differences() -> None:
    flow = CNF([WavyField(), WavyField(-0.7)], TIGHT)
    x = images()
    flow.loss(x).sum().backward()
    parameter = next(flow.parameters())
    assert parameter.grad is not None
    step = 1e-5
    with torch.no_grad():
        parameter += step
        above = float(flow.loss(x).sum())
        parameter -= 2 * step
        below = float(flow.loss(x).sum())
    assert float(parameter.grad) == pytest.approx((above - below) / (2 * step), rel=1e-6)


def test_a_block_in_anothers_place_is_computed_with() -> None:
    flow, x = CNF([LinearField(MATRIX), LinearField(0.0 * MATRIX)], TIGHT), torch.rand(2, *SHAPE).double()
    expected = CNF([LinearField(MATRIX), LinearField(MATRIX)], TIGHT)(x)

    flow.blocks[1] = flow.blocks[0]

    torch.testing.assert_close(flow(x), expected)
    with pytest.raises(PartError, match="where it takes a Network"):
        flow.blocks[0] = nn.Conv2d(1, 1, 1)  # type: ignore[assignment]  # what is refused


@pytest.mark.parametrize("compiled", [False, True])
def test_copies_and_pickles_of_what_is_compiled_or_not(compiled: bool) -> None:
    flow = CNF([LinearField(MATRIX)], replace(TIGHT, compiled=compiled))
    x = torch.rand(2, *SHAPE).double()

    for copied in (copy.deepcopy(flow), pickle.loads(pickle.dumps(flow))):
        torch.testing.assert_close(copied(x), flow(x))


@pytest.mark.parametrize("objective", ["likelihood", "flow-matching"])
def test_fields_in_half_precision_are_refused(objective: Objective) -> None:
    flow = CNF([LinearField(MATRIX.half())], Settings(objective=objective))
    x = torch.rand(2, *SHAPE).half()

    for call in (flow, flow.inverse, lambda x: flow.loss(x, None, Call(mode="train"))):
        with pytest.raises(OptionError, match="its weights are in float16"):
            call(x)


def test_autocast_around_an_evaluation_changes_nothing() -> None:
    field = nn.Conv2d(1, 1, 3, padding=1)

    class Convolved(Network):
        def __init__(self) -> None:
            super().__init__()
            self.field = field

        def forward(
            self,
            x: Images,
            context: Images | None = None,
            time: Tensor | None = None,
            call: Call = EVALUATION,
        ) -> Images:
            y: Images = self.field(x)
            return y

    flow, x = CNF([Convolved()], Settings(evaluation_trace="exact")), torch.rand(2, *SHAPE)
    with torch.autocast("cpu", torch.bfloat16):
        z, log_det = flow(x)
        back = flow.inverse(z)

    expected = flow(x)
    assert torch.equal(z, expected[0])
    assert torch.equal(log_det, expected[1])
    torch.testing.assert_close(back, x, rtol=0, atol=1e-3)
