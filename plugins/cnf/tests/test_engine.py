"""What makes the likelihood engine fast leaves its answers as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from torch._dynamo.exc import BackendCompilerFailed

from flowzoo.api import Call, Ledger, OptionError, Solving, WarmStart
from flowzoo_cnf.carried import Carried, solve_carried
from flowzoo_cnf.cnf import CNF
from flowzoo_cnf.conv_field import ConvField
from flowzoo_cnf.divergence import Colours, colour, exact, hutchinson
from flowzoo_cnf.dynamics import Dynamics
from flowzoo_cnf.runge_kutta import Solution, integrate
from flowzoo_cnf.settings import Settings
from flowzoo_cnf.softplus import push_softplus
from flowzoo_cnf.solver import Method, Solver
from flowzoo_cnf.tableau import MIDPOINT

SHAPE = (2, 6, 5)
CONTEXT = (1, 3, 5)
TRAINED = Settings(tolerance=1e-3, evaluation_tolerance=1e-5, kinetic=0.01, jacobian=0.01)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def field(strength: float = 0.3, layers: int = 3) -> ConvField:
    built = ConvField(2, 2, context_channels=1, hidden=5, layers=layers).double()
    for place, parameter in enumerate(built.parameters()):
        parameter.data = strength * draw(*parameter.shape, seed=place)
    return built


def inputs(count: int = 4) -> tuple[Tensor, Tensor]:
    return draw(count, *SHAPE, seed=100), draw(count, *CONTEXT, seed=101)


def training(warm_start: WarmStart | None = None, ledger: Ledger | None = None) -> Call:
    return Call(
        mode="train",
        generator=torch.Generator().manual_seed(0),
        ledger=ledger,
        solver=Solving(warm_start=warm_start),
    )


def test_softplus_and_its_derivative_along_a_tangent() -> None:
    a, da = 3.0 * draw(3, 2, 2, 2), draw(3, 2, 2, 2, seed=1)
    value, tangent = torch.nn.functional.softplus(a), torch.sigmoid(a) * da
    torch.testing.assert_close(push_softplus(a, da), torch.cat([value, tangent]), atol=1e-12, rtol=0)
    wanted = a.requires_grad_(), da.requires_grad_()
    torch.testing.assert_close(push_softplus(*wanted), torch.cat([value, tangent]), atol=1e-12, rtol=0)
    assert torch.autograd.gradcheck(push_softplus, wanted)


@pytest.mark.parametrize("shape", [(2, 6, 5), (1, 9, 8), (3, 2, 7)])
@pytest.mark.parametrize("norm", [False, True])
def test_sums_of_unit_vectors_that_do_not_meet_give_the_exact_diagonal(
    shape: tuple[int, int, int], norm: bool
) -> None:
    net = ConvField(shape[0], shape[0], hidden=4, layers=2).double()
    for place, parameter in enumerate(net.parameters()):
        parameter.data = 0.5 * draw(*parameter.shape, seed=place)
    v = draw(2, *shape)
    colours = colour(v, net.receptive_radius, norm)
    found = exact(net.prepare(None, v), v, 0.3, colours)
    for place, image in enumerate(v):
        time = torch.tensor(0.3, dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(lambda u, t=time: net(u[None], None, t)[0], image)
        jacobian = jacobian.detach().reshape(image.numel(), image.numel())
        torch.testing.assert_close(found.diagonal[place].flatten(), jacobian.diagonal(), atol=1e-12, rtol=0)
        if norm:
            assert float(found.squared_norm[place].detach()) == pytest.approx(float(jacobian.square().sum()))


def distinct(colours: Colours) -> int:
    """Return the number of colours, which has to be stated."""
    assert len(colours.by_dimension.unique()) == colours.number
    return colours.number


def test_an_exact_trace_takes_as_many_probes_as_the_reach_asks_for() -> None:
    v = draw(1, 3, 32, 32)
    assert distinct(colour(v, 4, norm=False)) == 3 * 25
    assert distinct(colour(v, 4, norm=True)) == 3 * 81
    assert distinct(colour(v, None, norm=False)) == 3 * 32 * 32


def test_chunks_of_the_exact_trace_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    net = field()
    v, context = inputs()
    colours = colour(v, net.receptive_radius, norm=True)
    prepared = net.prepare(context, v)
    at_once = exact(prepared, v, 0.3, colours)
    monkeypatch.setattr("flowzoo_cnf.divergence.CHUNK", 3 * v.shape[0] * 30)
    for name, value in exact(prepared, v, 0.3, colours)._asdict().items():
        torch.testing.assert_close(value, getattr(at_once, name), atol=1e-12, rtol=0)


def test_a_tangent_given_beforehand_makes_no_difference() -> None:
    net = field()
    v, context = inputs()
    e = draw(*v.shape, seed=7)
    known = hutchinson(net.prepare(context, v, e), v, 0.3, e)
    for name, value in hutchinson(net.prepare(context, v), v, 0.3, e)._asdict().items():
        torch.testing.assert_close(value, getattr(known, name), atol=1e-12, rtol=0)


@pytest.mark.parametrize("method", get_args(Method))
def test_gradients_are_those_of_the_answer(method: Method) -> None:
    """Finite differences of the loss, in steps that do not change under them."""
    # The lower the order, the more steps a tolerance takes.
    tolerance = 1e-4 if method == "torchdiffeq-adaptive_heun" else 1e-5
    solver = Solver(method, tolerance) if method.startswith("torchdiffeq") else Solver(method, steps=3)
    flow = CNF([field(), field(0.2)], TRAINED.solved_by(solver))
    v, context = inputs(2)

    def loss() -> Tensor:
        ledger = Ledger()
        found = flow.loss(v, context, training(ledger=ledger))
        return (found + sum(ledger.penalties.values())).sum()

    loss().backward()
    every = 15 if method.startswith("torchdiffeq") else 5  # its solvers take small steps, and so take long
    for parameter in list(flow.parameters())[::every]:
        step = torch.zeros_like(parameter)
        step.view(-1)[0] = 1e-5
        with torch.no_grad():
            parameter += step
            above = float(loss())
            parameter -= 2 * step
            below = float(loss())
            parameter += step
        assert parameter.grad is not None
        assert float(parameter.grad.view(-1)[0]) == pytest.approx((above - below) / 2e-5, rel=1e-3, abs=1e-3)


def test_the_adjoint_s_gradient_is_that_of_a_tight_discrete_solve() -> None:
    v, context = inputs(2)
    context.requires_grad_()
    gradients = []
    for solver in (Solver("torchdiffeq-dopri5", 1e-9, adjoint=True), Solver("dopri5", steps=20)):
        flow = CNF([field(), field(0.2)], TRAINED.solved_by(solver))
        loss = flow.loss(v, context, training()).sum()
        gradients.append(torch.autograd.grad(loss, [*flow.parameters(), context]))
    for adjoint, discrete in zip(*gradients, strict=True):
        torch.testing.assert_close(adjoint, discrete, atol=1e-5, rtol=1e-5)


def test_checkpointing_changes_no_gradient() -> None:
    v, context = inputs()
    found = []
    for checkpointing in (False, True):
        flow = CNF([field(), field(0.2)], replace(TRAINED, checkpointing=checkpointing))
        ledger = Ledger()
        loss = flow.loss(v, context, training(ledger=ledger)) + sum(ledger.penalties.values())
        found.append((torch.autograd.grad(loss.sum(), list(flow.parameters())), ledger.counts))
    torch.testing.assert_close(found[1], found[0], atol=1e-12, rtol=0)


def test_steps_are_carried_from_batch_to_batch() -> None:
    flow = CNF([field(0.35), field(0.35)], replace(TRAINED, tolerance=1e-6))
    v, context = inputs()
    warm_start = WarmStart(flow)
    counts = []
    for _ in range(3):
        ledger = Ledger()
        flow.loss(v, context, training(warm_start, ledger))
        counts.append(ledger.counts["evaluations"])
    steps = [block["steps"] for block in warm_start.state()[""].values()]
    assert counts[0] > counts[1] == counts[2] == sum(6 * n + 1 for n in steps)


def test_training_is_audited_at_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowzoo_cnf.carried.AUDIT_EVERY", 3)
    flow = CNF([field(0.35)], replace(TRAINED, tolerance=1e-5))
    v, context = inputs()
    warm_start = WarmStart(flow)
    audits = []
    for _ in range(6):
        ledger = Ledger()
        flow.loss(v, context, training(warm_start, ledger))
        audits.append(ledger.counts.get("audited error"))
    assert [audit is not None for audit in audits] == [False, False, True] * 2
    assert all(0 < audit <= 1e-5 for audit in audits if audit is not None)


def test_an_audit_that_finds_too_much_error_doubles_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowzoo_cnf.carried.AUDIT_EVERY", 2)
    v, context = inputs()
    problem = Dynamics(field(0.35), v, context, probe=draw(*v.shape, seed=9))
    loose, judge = Solver("bosh3", 1e-2), Solver("torchdiffeq-dopri8", 1e-7)
    # A solve that takes its one step for good enough.
    monkeypatch.setattr(Solver, "solve_in_steps", lambda *arguments: (_coarse(problem), 1))
    first = solve_carried(loose, problem, 0.0, 1.0, Carried(), judge)
    assert first[1:] == (Carried(1, 1, 1), None)
    _, carried, error = solve_carried(loose, problem, 0.0, 1.0, first[1], judge)
    assert error is not None
    assert error > loose.tolerance
    assert carried == Carried(2, 2, 2)


def _coarse(problem: Dynamics) -> Solution:
    return integrate(MIDPOINT, problem, problem.like, (0.0, 1.0))


def test_evaluation_takes_the_pilot_s_grid_so_that_images_keep_apart() -> None:
    flow = CNF([field(0.35), field(0.35)], replace(TRAINED, evaluation_trace="exact"))
    v, context = inputs(8)
    warm_start = WarmStart(flow)
    flow(v[:4], context[:4], Call(solver=Solving(warm_start=warm_start)))
    warm_start.frozen = True
    kept = warm_start.state()
    together = flow(v, context, Call(solver=Solving(warm_start=warm_start)))[1]
    alone = torch.cat(
        [
            flow(v[i : i + 1], context[i : i + 1], Call(solver=Solving(warm_start=warm_start)))[1]
            for i in range(len(v))
        ]
    )
    torch.testing.assert_close(alone, together, atol=1e-12, rtol=0)
    assert warm_start.state() == kept
    wild = v.clone()
    wild[0] *= 100.0
    torch.testing.assert_close(
        flow(wild, context, Call(solver=Solving(warm_start=warm_start)))[1][1:],
        together[1:],
        atol=1e-12,
        rtol=0,
    )


def test_a_tight_run_is_solved_by_another_solver_and_agrees() -> None:
    flow = CNF([field(0.3), field(0.3)], replace(TRAINED, evaluation_trace="exact"))
    v, context = inputs()
    ledger = Ledger()
    with torch.no_grad():
        judged = flow(v, context, Call(ledger=ledger, solver=Solving(tight=True)))
        plain = flow(v, context)
    assert ledger.notes["solver"] == {"torchdiffeq's dopri8, tolerance 1e-07"}
    torch.testing.assert_close(plain, judged, atol=1e-4, rtol=0)
    assert not torch.equal(plain[1], judged[1])


def test_a_solve_is_reported_block_by_block() -> None:
    flow = CNF([field(0.35), field(0.2)], TRAINED)
    v, context = inputs()
    findings: list[Any] = []
    call = Call(solver=Solving(findings=findings))
    with torch.no_grad():
        z, _ = flow(v, context, call)
        flow.inverse(z, context, call)
    rows = {found.row: found.figures for found in findings}
    assert [*rows] == ["block 0, forward", "block 1, forward", "block 1, backward", "block 0, backward"]
    first = rows["block 0, forward"]
    assert first["evaluations"] == 1 + 6 * (first["steps"] + first["rejected"])
    assert 0 < first["error of v"] <= 1e-5
    assert 0 < first["error of log_det"] <= 1e-5
    assert first["kinetic energy"] > rows["block 1, forward"]["kinetic energy"] > 0
    assert first["Jacobian norm"] > rows["block 1, forward"]["Jacobian norm"] > 0
    assert "kinetic energy" not in rows["block 0, backward"]


def test_objectives_have_their_phases() -> None:
    def phases(**options: object) -> list[tuple[str, float, float]]:
        flow = CNF([field()], replace(Settings(), **options))  # type: ignore[arg-type]
        return [(phase.name, phase.share, phase.rate) for phase in flow.phases]

    assert phases() == []
    assert phases(objective="flow-matching", matching_rate=2.0) == [("flow-matching", 1.0, 2.0)]
    both = phases(objective="flow-matching+likelihood", likelihood_share=0.25, likelihood_rate=0.1)
    assert both == [("flow-matching", 0.75, 3.0), ("likelihood", 0.25, 0.1)]


def test_the_phase_says_which_objective_is_the_loss() -> None:
    v, context = inputs()
    blocks = [field(), field(0.2)]
    both = CNF(blocks, replace(TRAINED, objective="flow-matching+likelihood"))
    matching = CNF(blocks, replace(TRAINED, objective="flow-matching"))
    likelihood = CNF(blocks, TRAINED)
    for phase, like in (("flow-matching", matching), ("likelihood", likelihood), ("", matching)):
        call = training().solving(phase=phase)
        torch.testing.assert_close(both.loss(v, context, call), like.loss(v, context, training()))


def test_an_adjoint_without_torchdiffeq_is_refused() -> None:
    with pytest.raises(OptionError, match="torchdiffeq"):
        Solver("dopri5", adjoint=True)


COMPILED = """
import torch
from flowzoo.api import Call
from flowzoo_cnf.carried import Carried, solve_carried
from flowzoo_cnf.cnf import CNF
from flowzoo_cnf.conv_field import ConvField
from flowzoo_cnf.dynamics import Dynamics
from flowzoo_cnf.runge_kutta import Solution, integrate
from flowzoo_cnf.settings import Settings
from flowzoo_cnf.solver import Solver

torch.manual_seed(0)
net = ConvField(2, 2, context_channels=1, hidden=4, layers=2)
torch.nn.init.normal_(net.layers[-1].conv.weight)
x, context = torch.randn(3, 2, 4, 4), torch.randn(3, 1, 4, 4)
for compiled in (False, True):
    flow = CNF([net], Settings(solver="bosh3", steps=1, jacobian=0.1, compiled=compiled))
    gradients = torch.autograd.grad(flow.loss(x, context, Call(mode="train")).sum(), list(net.parameters()))
    print(torch.cat([each.flatten() for each in gradients]).tolist())
"""


def test_compiling_changes_no_gradient() -> None:
    # In a process of its own, since the tests' run-time type checks cannot be compiled.
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True)
    if "torch.compile failed" in done.stderr:
        pytest.skip("torch.compile finds no compiler here")
    eager, compiled = (json.loads(line) for line in done.stdout.splitlines())
    torch.testing.assert_close(torch.tensor(compiled), torch.tensor(eager), atol=1e-3, rtol=1e-4)


def test_a_compiler_that_fails_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(function: object) -> object:
        def call(*arguments: object) -> None:
            raise BackendCompilerFailed("inductor", RuntimeError("no compiler"), None)

        return call

    monkeypatch.setattr(torch, "compile", failing)
    flow = CNF([field()], replace(TRAINED, compiled=True))
    with pytest.raises(OptionError, match="install a C"):
        flow(*inputs(1))


def test_a_batch_without_images_passes() -> None:
    flow = CNF([field(), field(0.2)], replace(TRAINED, steer=0.5))
    v, context = (each[:0] for each in inputs())
    for call in (Call(), training()):
        z, log_det = flow(v, context, call)
        assert (z.shape, log_det.shape) == (v.shape, (0,))
    assert flow.inverse(v, context).shape == v.shape


def test_half_precision_is_computed_in_single() -> None:
    flow = CNF([field().float()], replace(TRAINED, objective="flow-matching+likelihood"))
    v, context = (each.half() for each in inputs())
    assert flow.inverse(v, context).dtype == torch.float32
    assert flow(v, context)[1].dtype == torch.float32
    assert flow.loss(v, context, training()).dtype == torch.float32


def test_fewer_images_than_blocks_are_matched() -> None:
    flow = CNF([field(), field(), field()], replace(Settings(), objective="flow-matching"))
    v, context = inputs(2)
    assert flow.loss(v, context, training()).shape == (2,)


def test_a_judge_takes_no_word_for_a_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowzoo_cnf.cnf.UNTRUSTING_UP_TO", 60)
    honest, lying = field(layers=2), field(layers=2)
    lying.receptive_radius = 0
    v, context = inputs()
    settings = replace(TRAINED, evaluation_trace="exact")
    truth, trusting, judged = (
        CNF([net], settings)(v, context, Call(solver=Solving(tight=tight)))[1].detach()
        for net, tight in ((honest, False), (lying, False), (lying, True))
    )
    assert float((trusting - truth).abs().max()) > 1e-2
    torch.testing.assert_close(judged, truth, atol=1e-3, rtol=0)
