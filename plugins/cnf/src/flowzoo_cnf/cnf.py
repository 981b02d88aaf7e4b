"""The continuous normalising flow as a conditional bijector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from flowzoo.api import (
    EVALUATION,
    BijectorTraits,
    Call,
    ConditionalBijector,
    Exactness,
    Images,
    Network,
    OptionError,
    PartList,
    PerImage,
    floating_dtype,
    parameters_of,
)
from flowzoo_cnf.advice import advise
from flowzoo_cnf.carried import Carried, solve_carried
from flowzoo_cnf.compiled import CompiledApart, uncompiled
from flowzoo_cnf.divergence import colour, hutchinson
from flowzoo_cnf.dynamics import Dynamics
from flowzoo_cnf.flow_matching import flow_matching_loss
from flowzoo_cnf.guided import Guided
from flowzoo_cnf.runge_kutta import Rate, Solution
from flowzoo_cnf.settings import LIKELIHOOD, Settings
from flowzoo_cnf.solver import Solver

ROUGH = Solver("midpoint", steps=2)
"""The solver of the first pass over the data, in which only the statistics of the output count."""

JUDGES = {
    torch.float32: Solver("torchdiffeq-dopri8", 1e-5),
    torch.float64: Solver("torchdiffeq-dopri8", 1e-7),
}
"""The solver of tight solves, which judge others: its tolerance is much smaller than usual ones."""

UNTRUSTING_UP_TO = 16
"""Number of dimensions up to which a tight solve computes the whole Jacobian."""


class CNF(ConditionalBijector):
    """A stack of neural ODEs, each solved over one unit of time.

        dv/dt = f_k(v, t | c),   log_det = sum over blocks of the integral of tr(df_k/dv) dt

    A dimension's contribution to ``log_det`` is the integral of its entry on the Jacobian's diagonal, or of
    the estimate ``(J e)_i e_i`` by the one probe of the trace. Earlier contributions stay where they are.

    ``call.solver`` keeps the number of steps of each block in training, and in evaluation the times of each
    block's steps, found for the first batch that it is given.

    Args:
        blocks: The vector fields, in the order in which data meet them; each maps ``(v, c, t)`` to ``dv/dt``.
        settings: Settings of training and of the solvers.

    References:
        Grathwohl et al., "FFJORD", 2019 (the flow and its trace); Finlay et al., "How to Train Your Neural
        ODE", 2020 (the regularisers); Ghosh et al., "STEER", 2020 (the random end times); Onken and Ruthotto,
        "Discretize-Optimize vs. Optimize-Discretize for Time-Series Regression and Continuous Normalizing
        Flows", 2020 (differentiating through the steps).
    """

    def __init__(self, blocks: Sequence[Network], settings: Settings) -> None:
        super().__init__()
        self.blocks = PartList(blocks, Network)
        self.settings = settings
        self.traits = BijectorTraits(
            exactness=Exactness.EXACT if settings.evaluation_trace == "exact" else Exactness.UNBIASED,
            exact_on_request=True,
            loss_is_likelihood=settings.objective == "likelihood",
            has_contributions=True,
            calibrates=True,
            solves=True,
            guides=True,
        )
        self.phases = settings.phases
        self._estimate = CompiledApart(hutchinson) if settings.compiled else hutchinson

    def extra_repr(self) -> str:
        return f"objective={self.settings.objective}, evaluation: {self.settings.evaluation}"

    @uncompiled  # the end of a solver's loop depends on its errors, which a graph cannot represent
    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        """See :meth:`flowzoo.api.ConditionalBijector.forward`.

        In training mode the regularisers go to ``call.penalise`` and end times are drawn by STEER; the
        ``log_det`` is then that of the drawn end times.

        Raises:
            NumericalError: The solver did not finish.
        """
        x = self._enter(x)
        z, (log_det,) = self._through_blocks(x, (x.new_zeros(x.shape[0]),), context, call)
        return z, log_det

    @uncompiled
    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        """See :meth:`flowzoo.api.ConditionalBijector.forward_with_contributions`; steps are forward's.

        Raises:
            NumericalError: The solver did not finish.
        """
        x = self._enter(x)
        z, (_, contributions) = self._through_blocks(
            x, (x.new_zeros(x.shape[0]), contributions), context, call
        )
        return z, contributions

    @uncompiled
    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        """See :meth:`flowzoo.api.ConditionalBijector.inverse`.

        Raises:
            NumericalError: The solver did not finish.
        """
        z = self._enter(z)
        if call.solver.guidance != 1.0:  # parts after this one may have treated the halves differently
            z = z.chunk(2)[1].repeat(2, 1, 1, 1)
        for place in reversed(range(len(self.blocks))):
            z = self._transport(place, z, context, 1.0, 0.0, call)
        return z

    def loss(self, x: Images, context: Images | None = None, call: Call = EVALUATION) -> PerImage:
        """Return the objective, ``(B,)``: nats of negative log-likelihood, or the flow-matching distance."""
        if self.settings.objective == "likelihood" or call.solver.phase == LIKELIHOOD:
            return super().loss(x, context, call)
        return flow_matching_loss(list(self.blocks), self._enter(x), context, call, self.settings)

    def _through_blocks(
        self, x: Images, totals: Rate, context: Images | None, call: Call
    ) -> tuple[Images, Rate]:
        """Solve the blocks one after another. Add up ``log_det`` and its contributions, if requested."""
        for place in range(len(self.blocks)):
            if call.mode == "initialise":
                x = self._transport(place, x, context, 0.0, 1.0, call)
            else:
                x, changes = self._analyse(place, x, len(totals) == 2, context, call)
                totals = tuple(total + change for total, change in zip(totals, changes, strict=True))
        return x, totals

    def _analyse(
        self, place: int, x: Images, with_contributions: bool, context: Images | None, call: Call
    ) -> tuple[Images, Rate]:
        """Solve one block forward, with its log-determinant and, if requested, each dimension's contribution.

        In training its regularisers are reported.
        """
        settings = self.settings
        use_exact = (
            call.solver.exact or (settings.trace if call.training else settings.evaluation_trace) == "exact"
        )
        regularise = call.training and settings.regularised
        # If measurements are collected, the regularisers are measured in evaluation too, if that costs
        # nothing.
        measure = call.solver.findings is not None and not call.training and not use_exact
        with _full_precision(x, call):
            dynamics = self._dynamics(
                place,
                x,
                context,
                call,
                probe=None if use_exact else self._probe(x, call),
                colours=self._colours(place, x, regularise, call) if use_exact else None,
                contributions=with_contributions,
                energy=regularise or measure,
            )
            found = self._solve(place, dynamics, 0.0, self._end_time(x, call), call)
        if regularise:
            # The papers weight the regularisers against bits per dimension.
            unit = x.shape[1:].numel() * math.log(2.0)
            call.penalise("kinetic", settings.kinetic * unit * found.integrals[-2])
            call.penalise("jacobian", settings.jacobian * unit * found.integrals[-1])
        call.note("trace", "exact" if use_exact else f"hutchinson, {settings.probes} probes")
        return found.v, found.integrals[: 2 if with_contributions else 1]

    def _transport(
        self, place: int, v: Images, context: Images | None, start: float, end: float, call: Call
    ) -> Images:
        """Solve one block in either direction, guided or not, without its log-determinant."""
        with _full_precision(v, call):
            return self._solve(place, self._dynamics(place, v, context, call), start, end, call).v

    def _dynamics(self, place: int, v: Images, context: Images | None, call: Call, **wanted: Any) -> Dynamics:
        solver, field, guidance = self._solver(v.dtype, call), self.blocks[place], call.solver.guidance
        return Dynamics(
            field if guidance == 1.0 else Guided(field, guidance),
            v,
            context,
            checkpointing=self.settings.checkpointing,
            prepared_once=not solver.adjoint,
            estimate=self._estimate,
            call=call,
            **wanted,
        )

    def _solve(self, place: int, dynamics: Dynamics, start: float, end: float, call: Call) -> Solution:
        """Solve one block with the steps of this call, keep them for the next batch, and report the solve."""
        solver = self._solver(dynamics.like.dtype, call)
        if call.training and solver.tableau is not None:
            key = f"block {place}"
            carried = Carried(**(call.solver.recall(self, key) or {}))
            judge = JUDGES[dynamics.like.dtype]
            found, carried, error = solve_carried(solver, dynamics, start, end, carried, judge)
            call.solver.keep(self, key, asdict(carried))
            if error is not None:
                call.count("audited error", error)
        else:
            key = f"grid of block {place}, {start:g} to {end:g}"
            settled = call.mode == "evaluate" and not call.solver.tight and solver.tableau is not None
            grid = call.solver.recall(self, key) if settled else None
            needed: list[Tensor] = [*parameters_of(dynamics.block)]
            if dynamics.context is not None:
                needed.append(dynamics.context)
            found = solver.solve(dynamics, start, end, grid=grid, adjoint_of=needed)
            if settled and grid is None:
                call.solver.keep(self, key, list(found.grid))
        direction = "forward" if end > start else "backward"
        self._report(f"block {place}, {direction}", solver, dynamics, found, call)
        return found

    def _report(self, row: str, solver: Solver, dynamics: Dynamics, found: Solution, call: Call) -> None:
        """Report a solve: totals in training, and all measurements if a diagnosis collects them."""
        calls = dynamics.calls.count
        call.note("solver", str(solver))
        call.count("evaluations", calls)
        steps = [abs(end - start) for start, end in pairwise(found.grid)]
        if steps:
            call.count("steps", len(steps))
            call.count("rejected steps", found.rejected)
        if call.solver.findings is None or call.training or call.mode == "initialise":
            return
        figures: dict[str, float] = {"evaluations": calls}
        if steps:
            figures |= {"steps": len(steps), "rejected": found.rejected, "refined images": found.refined}
            figures |= {"shortest step": min(steps), "longest step": max(steps)}
        if solver.tableau is not None and solver.tableau.errors and len(found.v):
            figures["error of v"] = float(found.errors.state.max())
            if found.integrals:
                figures["error of log_det"] = float(found.errors.log_det.max())
        if dynamics.energy:
            kinetic, norm = found.integrals[-2:]
            figures |= {
                "kinetic energy": float(kinetic.detach().mean()),
                "Jacobian norm": float(norm.detach().mean()),
            }
        call.solver.find(self, row, figures, cost=calls, advice=advise(figures))

    def _solver(self, dtype: torch.dtype, call: Call) -> Solver:
        if call.mode == "initialise":
            return ROUGH
        if call.solver.tight:
            return JUDGES[dtype]
        return self.settings.training if call.training else self.settings.evaluation

    def _probe(self, x: Images, call: Call) -> Images:
        return call.rademacher(x) if self.settings.probes == "rademacher" else call.normal(x)

    def _colours(self, place: int, x: Images, norm: bool, call: Call) -> Tensor:
        # A tight solve does not rely on the declared receptive radius if it can avoid that.
        trusting = not (call.solver.tight and x.shape[1:].numel() <= UNTRUSTING_UP_TO)
        return colour(x, self.blocks[place].receptive_radius if trusting else None, norm)

    def _end_time(self, x: Images, call: Call) -> float:
        if not (call.training and self.settings.steer and len(x)):
            return 1.0
        draw = call.uniform(torch.empty((x.shape[0], 1), dtype=torch.float64))[0, 0]
        return 1.0 + self.settings.steer * (2.0 * float(draw) - 1.0)

    def _enter(self, x: Images) -> Images:
        """Convert data to a precision in which a solver's errors are larger than rounding."""
        dtype = floating_dtype(self.blocks)
        if dtype is not None and dtype.itemsize < 4:
            name = str(dtype).removeprefix("torch.")
            raise OptionError(
                f"cnf solves its ODE in float32 or float64, and its weights are in {name}; keep these in "
                "float32 and use torch.autocast, or training.precision=bfloat16 in training"
            )
        return x if x.dtype.itemsize >= 4 else x.float()


def _full_precision(v: Images, call: Call) -> AbstractContextManager[Any]:
    """Return a context in which evaluation ignores a surrounding ``torch.autocast``.

    With products in half precision no step would meet a solver's tolerance.
    """
    return nullcontext() if call.training else torch.autocast(v.device.type, enabled=False)
