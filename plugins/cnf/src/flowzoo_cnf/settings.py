"""The options of ``cnf``: how it is built, trained and solved."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from flowzoo.api import Added, NetworkSpec, OptionError, Phase, Spec
from flowzoo_cnf.paths import Path, Times
from flowzoo_cnf.solver import Method, Solver

Objective = Literal["likelihood", "flow-matching", "flow-matching+likelihood"]
Trace = Literal["hutchinson", "exact"]
Probes = Literal["rademacher", "gaussian"]
Pairing = Literal["random", "optimal-transport"]
Gradient = Literal["discrete", "adjoint"]

LIKELIHOOD = "likelihood"
MATCHING = "flow-matching"

_ADJOINT: Gradient = "adjoint"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a CNF is built, trained and solved.

    Raises:
        OptionError: Options contradict each other.
    """

    blocks: Annotated[int, Field(ge=1, description="Number of neural ODEs, one after another.")] = 2
    network: Annotated[NetworkSpec, Field(description="Vector field of each block.")] = Spec("conv-field")
    objective: Annotated[
        Objective,
        Field(description="What training minimises. The reported likelihood is always that of the ODE."),
    ] = "likelihood"
    matching_rate: Annotated[
        float, Field(gt=0, description="Flow matching: factor on training.learning_rate.")
    ] = 3.0
    pairing: Annotated[
        Pairing,
        Field(
            description="Flow matching: how noise and images of a batch are paired. "
            "Optimal transport makes paths straighter."
        ),
    ] = "random"
    path: Annotated[
        Path,
        Field(
            description="Flow matching: path from data to noise. On the trigonometric one the best field "
            "of standard normal data is zero."
        ),
        Added(before="straight"),
    ] = "straight"
    times: Annotated[
        Times,
        Field(
            description="Flow matching: how often each time is drawn. likelihood: as a bound on the "
            "likelihood weights it; this needs path=trigonometric."
        ),
        Added(before="uniform"),
    ] = "uniform"
    likelihood_share: Annotated[
        float,
        Field(gt=0, lt=1, description="flow-matching+likelihood: part of the budget for the likelihood."),
    ] = 0.2
    likelihood_rate: Annotated[
        float,
        Field(
            gt=0,
            description="flow-matching+likelihood: factor on training.learning_rate for the likelihood.",
        ),
    ] = 0.3
    solver: Annotated[Method, Field(description="Likelihood: solver in training.")] = "dopri5"
    tolerance: Annotated[
        float,
        Field(gt=0, lt=1, description="Likelihood: error allowed in training, per block, over the batch."),
    ] = 1e-3
    steps: Annotated[
        int | None,
        Field(
            ge=1,
            description="Likelihood: fixed number of steps per block in training. "
            "None: as many as the tolerance needs.",
        ),
    ] = None
    gradient: Annotated[
        Gradient,
        Field(
            description="Likelihood: differentiate the solver's steps (discrete), "
            "or use torchdiffeq's adjoint method."
        ),
    ] = "discrete"
    checkpointing: Annotated[
        bool, Field(description="Likelihood: save memory by computing activations twice.")
    ] = False
    evaluation_solver: Annotated[Method, Field(description="Solver in evaluation and sampling.")] = "dopri5"
    evaluation_tolerance: Annotated[
        float, Field(gt=0, lt=1, description="Error allowed in evaluation and sampling, per block.")
    ] = 5e-4
    evaluation_steps: Annotated[
        int | None,
        Field(
            ge=1,
            description="Fixed number of steps per block in evaluation. "
            "None: as many as the tolerance needs.",
        ),
    ] = None
    trace: Annotated[
        Trace, Field(description="Likelihood: how training computes the trace of the Jacobian.")
    ] = "hutchinson"
    evaluation_trace: Annotated[
        Trace, Field(description="How evaluation computes the trace of the Jacobian.")
    ] = "hutchinson"
    probes: Annotated[
        Probes, Field(description="Distribution of the random vectors of the Hutchinson estimate.")
    ] = "rademacher"
    kinetic: Annotated[
        float, Field(ge=0, description="Likelihood: weight of the kinetic energy (RNODE: 0.01).")
    ] = 0.0
    jacobian: Annotated[
        float, Field(ge=0, description="Likelihood: weight of the Jacobian norm (RNODE: 0.01).")
    ] = 0.0
    steer: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description="Likelihood: end times are drawn from U(1 - steer, 1 + steer) (STEER: 0.5).",
        ),
    ] = 0.0
    compiled: Annotated[
        bool,
        Field(description="Likelihood: use torch.compile, which needs a C++ compiler on the CPU."),
    ] = False

    def __post_init__(self) -> None:
        if self.steer and self.objective == MATCHING:
            raise OptionError(
                "steer draws the end times of solves, and flow matching solves nothing; "
                f"set objective={LIKELIHOOD} or {MATCHING}+{LIKELIHOOD}"
            )
        if self.times == "likelihood" and self.path != "trigonometric":
            raise OptionError(
                "times=likelihood weights times as the trigonometric path needs it; set path=trigonometric"
            )
        # Both are made here, so that contradicting options are refused at once.
        assert self.training.tolerance
        assert self.evaluation.tolerance

    @functools.cached_property
    def training(self) -> Solver:
        """The solver in training."""
        return Solver(self.solver, self.tolerance, self.steps, self.gradient == _ADJOINT)

    @functools.cached_property
    def evaluation(self) -> Solver:
        """The solver in evaluation and sampling."""
        return Solver(self.evaluation_solver, self.evaluation_tolerance, self.evaluation_steps)

    def solved_by(self, training: Solver | None = None, evaluation: Solver | None = None) -> Settings:
        """Return the settings with other solvers."""
        training, evaluation = training or self.training, evaluation or self.evaluation
        return replace(
            self,
            solver=training.method,
            tolerance=training.tolerance,
            steps=training.steps,
            gradient=_ADJOINT if training.adjoint else "discrete",
            evaluation_solver=evaluation.method,
            evaluation_tolerance=evaluation.tolerance,
            evaluation_steps=evaluation.steps,
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases of training."""
        if self.objective == "likelihood":
            return ()
        if self.objective == "flow-matching":
            return (Phase(MATCHING, 1.0, self.matching_rate),)
        first = Phase(MATCHING, 1.0 - self.likelihood_share, self.matching_rate)
        return (first, Phase(LIKELIHOOD, self.likelihood_share, self.likelihood_rate))

    @property
    def regularised(self) -> bool:
        """Whether the likelihood is trained with regularisers."""
        return self.kinetic > 0 or self.jacobian > 0
