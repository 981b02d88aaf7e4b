"""The continuous normalising flow as a conditional bijector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from flowzoo.api import EVALUATION, ConditionalBijector, Images, Network, PerImage, Prepared, Run, Time
from flowzoo_cnf.divergence import exact, hutchinson, unit_probes
from flowzoo_cnf.flow_matching import flow_matching_loss
from flowzoo_cnf.runge_kutta import Rate, Rates, Solution
from flowzoo_cnf.settings import LIKELIHOOD, Settings
from flowzoo_cnf.solver import Solver

LOG_2 = 0.6931471805599453

ROUGH = Solver("midpoint", steps=2)
"""For the first pass over the data, in which only the statistics of what comes out count."""

JUDGES = {
    torch.float32: Solver("torchdiffeq-dopri8", 1e-5),
    torch.float64: Solver("torchdiffeq-dopri8", 1e-7),
}
"""For answers that others are judged by, far tighter than others are set."""


class CNF(ConditionalBijector):
    """A stack of neural ODEs, each run for one unit of time.

        dv/dt = f_k(v, t | c),   log_det = sum over blocks of the integral of tr(df_k/dv) dt

    A dimension's share of ``log_det`` is the integral of its entry on the Jacobian's diagonal, or of the
    estimate ``(J e)_i e_i`` by the one probe of the trace. Earlier shares stay where they are.

    What ``run.memory`` keeps: in training the number of steps of each block; in evaluation the times of each
    block's steps, found for the first batch that it is given.

    Args:
        blocks: The vector fields, in the order in which data meet them; each maps ``(v, c, t)`` to ``dv/dt``.
        settings: How it is trained and solved.

    References:
        Grathwohl et al., "FFJORD", 2019 (the flow and its trace); Finlay et al., "How to Train Your Neural
        ODE", 2020 (the regularisers); Ghosh et al., "STEER", 2020 (the random end times); Onken and Ruthotto,
        "Discretize-Optimize vs. Optimize-Discretize for Time-Series Regression and Continuous Normalizing
        Flows", 2020 (differentiating through the steps).
    """

    has_shares = True

    def __init__(self, blocks: Sequence[Network], settings: Settings) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self._blocks = tuple(blocks)
        self.settings = settings
        self.loss_is_likelihood = settings.objective == "likelihood"
        self.phases = settings.phases
        self._hutchinson = torch.compile(hutchinson) if settings.compiled else hutchinson

    def forward(
        self, x: Images, context: Images | None = None, run: Run = EVALUATION
    ) -> tuple[Images, PerImage]:
        """See :meth:`flowzoo.api.ConditionalBijector.forward`.

        In training mode the regularisers go to ``run.penalise`` and end times are drawn by STEER; the
        ``log_det`` is then that of the drawn end times.

        Raises:
            NumericalError: The solver did not get to the end.
        """
        x = x if x.dtype.itemsize >= 4 else x.float()
        z, (log_det,) = self._through_blocks(x, (x.new_zeros(x.shape[0]),), context, run)
        return z, log_det

    def forward_with_shares(
        self, x: Images, shares: Images, context: Images | None = None, run: Run = EVALUATION
    ) -> tuple[Images, Images]:
        """See :meth:`flowzoo.api.ConditionalBijector.forward_with_shares`; the solver's steps are forward's.

        Raises:
            NumericalError: The solver did not get to the end.
        """
        x = x if x.dtype.itemsize >= 4 else x.float()
        z, (_, shares) = self._through_blocks(x, (x.new_zeros(x.shape[0]), shares), context, run)
        return z, shares

    def inverse(self, z: Images, context: Images | None = None, run: Run = EVALUATION) -> Images:
        """See :meth:`flowzoo.api.ConditionalBijector.inverse`.

        Raises:
            NumericalError: The solver did not get to the end.
        """
        for place in reversed(range(len(self._blocks))):
            z = self._transport(place, z, context, 1.0, 0.0, run)
        return z

    def loss(self, x: Images, context: Images | None = None, run: Run = EVALUATION) -> PerImage:
        """Return the objective, ``(B,)``: nats of negative log-likelihood, or the flow-matching distance."""
        if self.settings.objective == "likelihood" or run.phase == LIKELIHOOD:
            return super().loss(x, context, run)
        return flow_matching_loss(self._blocks, x, context, run, self.settings.pairing)

    def _through_blocks(
        self, x: Images, totals: Rate, context: Images | None, run: Run
    ) -> tuple[Images, Rate]:
        """Run the blocks one after another, adding up the log-determinant and, if it is there, its shares."""
        for place in range(len(self._blocks)):
            if run.mode == "initialise":
                x = self._transport(place, x, context, 0.0, 1.0, run)
            else:
                x, changes = self._analyse(place, x, len(totals) == 2, context, run)
                totals = tuple(total + change for total, change in zip(totals, changes, strict=True))
        return x, totals

    def _analyse(
        self, place: int, x: Images, with_shares: bool, context: Images | None, run: Run
    ) -> tuple[Images, Rate]:
        """Run one block forward, with its log-determinant and, if wanted, each dimension's share of it.

        In training its regularisers are reported.
        """
        settings = self.settings
        block = self._blocks[place]
        dimensions = x[0].numel()
        use_exact = run.exact or (settings.trace if run.training else settings.evaluation_trace) == "exact"
        regularise = run.training and settings.regularised
        # Where somebody listens, the regularisers are measured in evaluation too, if they come for nothing.
        measure = regularise or (run.ledger is not None and not run.training and not use_exact)
        probes = unit_probes(x, block.reach, regularise) if use_exact else self._probe(x, run)

        def rates(field: Prepared, t: Time, v: Images) -> Rate:
            found = exact(field, v, t, probes) if use_exact else self._hutchinson(field, v, t, probes)
            rate: Rate = (found.value, found.trace)
            if with_shares:
                rate += (found.diagonal,)
            if measure:
                rate += (0.5 * found.value.square().flatten(1).mean(1), found.squared_norm / dimensions)
            return rate

        zero = x.new_zeros(x.shape[0])
        integrals: Rate = (zero, torch.zeros_like(x)) if with_shares else (zero,)
        if measure:
            integrals += (zero, zero)
        end = self._end_time(x, run)
        tangent = None if use_exact else probes
        found = self._solve(place, rates, x, integrals, 0.0, end, context, tangent, run)
        if regularise:
            # The papers weigh the regularisers against bits per dimension.
            unit = dimensions * LOG_2
            run.penalise("kinetic", settings.kinetic * unit * found.integrals[-2])
            run.penalise("jacobian", settings.jacobian * unit * found.integrals[-1])
        energy = (
            [float(each.detach().mean()) for each in found.integrals[-2:]]
            if measure and not run.training
            else []
        )
        self._report(f"block {place}, forward", found, energy, run)
        run.note("trace", "exact" if use_exact else f"hutchinson, {settings.probes} probes")
        return found.v, found.integrals[: 2 if with_shares else 1]

    def _transport(
        self, place: int, v: Images, context: Images | None, start: float, end: float, run: Run
    ) -> Images:
        """Run one block in either direction, without its log-determinant."""

        def rates(field: Prepared, t: Time, v: Images) -> Rate:
            return (field(v, t),)

        found = self._solve(place, rates, v, (), start, end, context, None, run)
        self._report(f"block {place}, {'forward' if end > start else 'backward'}", found, [], run)
        return found.v

    def _solve(
        self,
        place: int,
        rates: Callable[[Prepared, Time, Images], Rate],
        v: Images,
        integrals: Rate,
        start: float,
        end: float,
        context: Images | None,
        tangent: Images | None,
        run: Run,
    ) -> Solution:
        """Solve one block on steps that fit the run, and keep them for the next batch."""
        solver = self._solver(v.dtype, run)
        block = self._blocks[place]
        # The adjoint method differentiates each evaluation by itself, preparations and all.
        prepared = None if solver.adjoint else block.prepare(context, v, tangent)
        evaluate = Counted(
            lambda t, v: rates(prepared or block.prepare(context, v, tangent), t, v),
            self.settings.checkpointing,
        )
        if run.training and solver.tableau is not None:
            key = f"steps of block {place}"
            found, steps = solver.solve_in_steps(evaluate, v, start, end, run.recall(self, key) or 1)
            run.keep(self, key, steps)
            return replace(found, evaluations=evaluate.calls)
        key = f"grid of block {place}, {start:g} to {end:g}"
        settled = run.mode == "evaluate" and not run.tight and solver.tableau is not None
        grid = run.recall(self, key) if settled else None
        needed = (*block.parameters(), *([] if context is None else [context]))
        found = solver.solve(evaluate, v, integrals, start, end, grid=grid, adjoint_of=needed)
        if settled:
            run.keep(self, key, list(found.grid))
        return replace(found, evaluations=evaluate.calls)

    def _report(self, row: str, found: Solution, energy: list[float], run: Run) -> None:
        """Say how a solve went."""
        run.note("solver", str(self._solver(found.v.dtype, run)))
        run.count("evaluations", found.evaluations)
        steps = [abs(end - start) for start, end in pairwise(found.grid)]
        run.count("steps", len(steps))
        if run.ledger is None or run.training:
            return
        figures: dict[str, float] = {}
        if steps:
            figures = {
                "steps": len(steps),
                "rejected": found.rejected,
                "shortest step": min(steps),
                "longest step": max(steps),
                "error of v": float(found.errors.state.max()) if len(found.v) else 0.0,
            }
            if found.integrals:
                figures["error of log_det"] = float(found.errors.log_det.max()) if len(found.v) else 0.0
        if energy:
            figures |= {"kinetic energy": energy[0], "Jacobian norm": energy[1]}
        run.find(self, row, {"evaluations": found.evaluations, **figures})

    def _solver(self, dtype: torch.dtype, run: Run) -> Solver:
        if run.mode == "initialise":
            return ROUGH
        if run.tight:
            return JUDGES[dtype]
        return self.settings.training if run.training else self.settings.evaluation

    def _probe(self, x: Images, run: Run) -> Images:
        return run.rademacher(x) if self.settings.probes == "rademacher" else run.normal(x)

    def _end_time(self, x: Images, run: Run) -> float:
        if not (run.training and self.settings.steer):
            return 1.0
        draw = run.uniform(torch.empty((x.shape[0], 1), dtype=torch.float64))[0, 0]
        return 1.0 + self.settings.steer * (2.0 * float(draw) - 1.0)


class Counted:
    """Rates whose calls are counted, and whose activations are computed anew for the gradient if wished.

    Args:
        rates: From a time and ``v`` to the rates.
        checkpointing: Keep no activations.
    """

    def __init__(self, rates: Rates, checkpointing: bool) -> None:
        self._rates = rates
        self._checkpointing = checkpointing
        self.calls = 0

    def __call__(self, t: Time, v: Images) -> Rate:
        self.calls += 1
        if not (self._checkpointing and torch.is_grad_enabled()):
            return self._rates(t, v)
        result: Rate = checkpoint(self._rates, t, v, use_reentrant=False, preserve_rng_state=False)
        return result
