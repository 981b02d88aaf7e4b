"""The continuous normalising flow as a conditional bijector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from flowzoo.api import (
    EVALUATION,
    Builder,
    ConditionalBijector,
    Images,
    Network,
    NetworkSpec,
    PerImage,
    Run,
    Shape,
    Spec,
)
from flowzoo_cnf.divergence import Divergence, exact, hutchinson
from flowzoo_cnf.flow_matching import flow_matching_loss
from flowzoo_cnf.solver import Method, Solver, State, batch_norm_of_error, worst_image_norm

LOG_2 = 0.6931471805599453

ROUGH = Solver("midpoint", steps=2)
"""For the first pass over the data, in which only the statistics of what comes out count."""


@dataclass(frozen=True)
class Settings:
    """How a CNF is trained and solved; :func:`build_cnf` says what each option means."""

    objective: Literal["likelihood", "flow-matching"] = "likelihood"
    training: Solver = field(default_factory=lambda: Solver("bosh3", 1e-3))
    evaluation: Solver = field(default_factory=lambda: Solver("dopri5", 1e-5))
    trace: Literal["hutchinson", "exact"] = "hutchinson"
    evaluation_trace: Literal["hutchinson", "exact"] = "hutchinson"
    probes: Literal["rademacher", "gaussian"] = "rademacher"
    kinetic: float = 0.0
    jacobian: float = 0.0
    steer: float = 0.0


class CNF(ConditionalBijector):
    """A stack of neural ODEs, each run for one unit of time.

        dv/dt = f_k(v, t | c),   log_det = sum over blocks of the integral of tr(df_k/dv) dt

    A dimension's share of ``log_det`` is the integral of its entry on the Jacobian's diagonal, or of the
    estimate ``(e^T J)_i e_i`` by the one probe of the trace. Earlier shares stay where they are.

    Args:
        blocks: The vector fields, in the order in which data meet them; each maps ``(v, c, t)`` to ``dv/dt``.
        settings: How it is trained and solved.

    References:
        Grathwohl et al., "FFJORD", 2019 (the flow and its trace); Finlay et al., "How to Train Your Neural
        ODE", 2020 (the regularisers); Ghosh et al., "STEER", 2020 (the random end times).
    """

    has_shares = True

    def __init__(self, blocks: Sequence[Network], settings: Settings) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self._blocks = tuple(blocks)
        self.settings = settings
        self.loss_is_likelihood = settings.objective == "likelihood"

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
        for block in reversed(self._blocks):
            z = self._transport(block, z, context, 1.0, 0.0, run)
        return z

    def loss(self, x: Images, context: Images | None = None, run: Run = EVALUATION) -> PerImage:
        """Return the objective, ``(B,)``: nats of negative log-likelihood, or the flow-matching distance."""
        if self.settings.objective == "flow-matching":
            return flow_matching_loss(self._blocks, x, context, run)
        return super().loss(x, context, run)

    def _through_blocks(
        self, x: Images, totals: State, context: Images | None, run: Run
    ) -> tuple[Images, State]:
        """Run the blocks one after another, adding up the log-determinant and, if it is there, its shares."""
        for block in self._blocks:
            if run.mode == "initialise":
                x = self._transport(block, x, context, 0.0, 1.0, run)
            else:
                x, changes = self._analyse(block, x, len(totals) == 2, context, run)
                totals = tuple(total + change for total, change in zip(totals, changes, strict=True))
        return x, totals

    def _analyse(
        self, block: Network, x: Images, with_shares: bool, context: Images | None, run: Run
    ) -> tuple[Images, State]:
        """Run one block forward, with its log-determinant and, if wanted, each dimension's share of it.

        In training its regularisers are reported.
        """
        settings = self.settings
        dimensions = x[0].numel()
        use_exact = self._uses_exact_trace(run)
        probe = None if use_exact else self._probe(x, run)
        regularise = run.training and (settings.kinetic > 0 or settings.jacobian > 0)

        def rates(t: Tensor, state: State) -> State:
            run.count("evaluations", 1)

            def at_time(v: Tensor) -> Tensor:
                value: Tensor = block(v, context, t)
                return value

            found: Divergence = (
                exact(at_time, state[0]) if probe is None else hutchinson(at_time, state[0], probe)
            )
            rate: State = (found.value, found.trace)
            if with_shares:
                rate += (found.diagonal,)
            if regularise:
                kinetic = 0.5 * found.value.square().flatten(1).mean(1)
                rate += (kinetic, found.squared_norm / dimensions)
            return rate

        zeros = x.new_zeros(x.shape[0])
        start: State = (x, zeros)
        if with_shares:
            start += (torch.zeros_like(x),)
        if regularise:
            start += (zeros, zeros)
        end = self._end_time(x, run)
        solver = self._solver(run)
        norm = batch_norm_of_error if run.training else worst_image_norm
        state = solver.solve(rates, start, 0.0, end, norm)
        if regularise:
            # The papers weigh the regularisers against bits per dimension.
            unit = dimensions * LOG_2
            run.penalise("kinetic", settings.kinetic * unit * state[-2])
            run.penalise("jacobian", settings.jacobian * unit * state[-1])
        run.note("solver", str(solver))
        run.note("trace", "exact" if use_exact else f"hutchinson, {settings.probes} probes")
        return state[0], state[1:3] if with_shares else state[1:2]

    def _transport(
        self, block: Network, v: Images, context: Images | None, start: float, end: float, run: Run
    ) -> Images:
        """Run one block in either direction, without its log-determinant."""

        def rates(t: Tensor, state: State) -> State:
            run.count("evaluations", 1)
            return (block(state[0], context, t),)

        return self._solver(run).solve(rates, (v,), start, end, worst_image_norm)[0]

    def _solver(self, run: Run) -> Solver:
        if run.mode == "initialise":
            return ROUGH
        return self.settings.training if run.training else self.settings.evaluation

    def _uses_exact_trace(self, run: Run) -> bool:
        chosen = self.settings.trace if run.training else self.settings.evaluation_trace
        return run.exact or chosen == "exact"

    def _probe(self, x: Images, run: Run) -> Images:
        return run.rademacher(x) if self.settings.probes == "rademacher" else run.normal(x)

    def _end_time(self, x: Images, run: Run) -> float:
        if not (run.training and self.settings.steer):
            return 1.0
        draw = run.uniform(torch.empty((x.shape[0], 1), dtype=torch.float64))[0, 0]
        return 1.0 + self.settings.steer * (2.0 * float(draw) - 1.0)


def build_cnf(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    blocks: Annotated[int, Field(ge=1, description="neural ODEs, one after another")] = 2,
    network: Annotated[NetworkSpec, Field(description="the vector field of each block")] = Spec("conv-field"),
    objective: Annotated[
        Literal["likelihood", "flow-matching"],
        Field(description="what training minimises; the reported likelihood is the ODE's either way"),
    ] = "likelihood",
    solver: Annotated[Method, Field(description="likelihood: solver in training")] = "bosh3",
    tolerance: Annotated[
        float, Field(gt=0, lt=1, description="likelihood: of an adaptive solver in training")
    ] = 1e-3,
    steps: Annotated[
        int, Field(ge=1, description="likelihood: of a fixed-step solver in training, a block")
    ] = 8,
    evaluation_solver: Annotated[Method, Field(description="solver in evaluation and sampling")] = "dopri5",
    evaluation_tolerance: Annotated[
        float, Field(gt=0, lt=1, description="of an adaptive solver in evaluation")
    ] = 1e-5,
    evaluation_steps: Annotated[int, Field(ge=1, description="of a fixed-step solver in evaluation")] = 32,
    trace: Annotated[
        Literal["hutchinson", "exact"], Field(description="likelihood: of the Jacobian, in training")
    ] = "hutchinson",
    evaluation_trace: Annotated[
        Literal["hutchinson", "exact"], Field(description="of the Jacobian, in evaluation")
    ] = "hutchinson",
    probes: Annotated[
        Literal["rademacher", "gaussian"], Field(description="random vectors of the Hutchinson estimate")
    ] = "rademacher",
    kinetic: Annotated[
        float, Field(ge=0, description="likelihood: weight of the kinetic energy (RNODE: 0.01)")
    ] = 0.0,
    jacobian: Annotated[
        float, Field(ge=0, description="likelihood: weight of the Jacobian norm (RNODE: 0.01)")
    ] = 0.0,
    steer: Annotated[
        float,
        Field(ge=0, lt=1, description="likelihood: end times are drawn from U(1 - b, 1 + b) (STEER: 0.5)"),
    ] = 0.0,
) -> CNF:
    """Build a :class:`CNF` whose blocks are networks found by name."""
    fields = [builder.network(network, shape, shape[0], context_shape, timed=True) for _ in range(blocks)]
    settings = Settings(
        objective=objective,
        training=Solver(solver, tolerance, steps),
        evaluation=Solver(evaluation_solver, evaluation_tolerance, evaluation_steps),
        trace=trace,
        evaluation_trace=evaluation_trace,
        probes=probes,
        kinetic=kinetic,
        jacobian=jacobian,
        steer=steer,
    )
    return CNF(fields, settings)
