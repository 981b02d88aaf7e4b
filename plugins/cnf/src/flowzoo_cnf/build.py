"""The options of ``cnf``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from flowzoo.api import Builder, NetworkSpec, Shape, Spec
from flowzoo_cnf.cnf import CNF
from flowzoo_cnf.settings import Objective, Pairing, Probes, Settings, Trace
from flowzoo_cnf.solver import Method, Solver


def build_cnf(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    blocks: Annotated[int, Field(ge=1, description="Number of neural ODEs, one after another.")] = 2,
    network: Annotated[NetworkSpec, Field(description="Vector field of each block.")] = Spec("conv-field"),
    objective: Annotated[
        Objective,
        Field(description=("What training minimises. Reported likelihoods are always those of the ODE.")),
    ] = "likelihood",
    matching_rate: Annotated[
        float, Field(gt=0, description="Factor on training.learning_rate (flow matching only).")
    ] = 3.0,
    pairing: Annotated[
        Pairing,
        Field(
            description=(
                "How noise and images are paired in a batch (flow matching "
                "only). Transport gives straighter paths."
            )
        ),
    ] = "random",
    likelihood_share: Annotated[
        float,
        Field(
            gt=0,
            lt=1,
            description=("Part of the budget for the likelihood (objective=flow- matching+likelihood only)."),
        ),
    ] = 0.2,
    likelihood_rate: Annotated[
        float,
        Field(
            gt=0,
            description=(
                "Factor on training.learning_rate in that part (objective=flow- matching+likelihood only)."
            ),
        ),
    ] = 0.3,
    solver: Annotated[Method, Field(description="Solver in training (likelihood only).")] = "dopri5",
    tolerance: Annotated[
        float,
        Field(
            gt=0,
            lt=1,
            description=("Error of the solver that is allowed for each block in training (likelihood only)."),
        ),
    ] = 1e-3,
    steps: Annotated[
        int | None,
        Field(ge=1, description=("Fixed number of steps for each block in training (likelihood only).")),
    ] = None,
    gradient: Annotated[
        Literal["discrete", "adjoint"],
        Field(
            description=(
                "Differentiate the solver's steps, or use torchdiffeq's adjoint method (likelihood only)."
            )
        ),
    ] = "discrete",
    checkpointing: Annotated[
        bool, Field(description="Save memory by computing activations twice (likelihood only).")
    ] = False,
    evaluation_solver: Annotated[Method, Field(description="Solver in evaluation and sampling.")] = "dopri5",
    evaluation_tolerance: Annotated[
        float,
        Field(
            gt=0,
            lt=1,
            description=("Error of the solver that is allowed for each block in evaluation and sampling."),
        ),
    ] = 5e-4,
    evaluation_steps: Annotated[
        int | None,
        Field(ge=1, description=("Fixed number of steps for each block in evaluation and sampling.")),
    ] = None,
    trace: Annotated[
        Trace, Field(description=("How the Jacobian's trace is computed in training (likelihood only)."))
    ] = "hutchinson",
    evaluation_trace: Annotated[
        Trace, Field(description="How the Jacobian's trace is computed in evaluation.")
    ] = "hutchinson",
    probes: Annotated[
        Probes, Field(description="Distribution of the random vectors of Hutchinson's estimate.")
    ] = "rademacher",
    kinetic: Annotated[
        float,
        Field(ge=0, description=("Weight of the kinetic energy in the loss (likelihood only; RNODE: 0.01).")),
    ] = 0.0,
    jacobian: Annotated[
        float,
        Field(ge=0, description=("Weight of the Jacobian norm in the loss (likelihood only; RNODE: 0.01).")),
    ] = 0.0,
    steer: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description=(
                "b, where end times are drawn from U(1 - b, 1 + b) in training (likelihood only; STEER: 0.5)."
            ),
        ),
    ] = 0.0,
    compiled: Annotated[
        bool,
        Field(description=("Use torch.compile, which needs a C++ compiler on the CPU (likelihood only).")),
    ] = False,
) -> CNF:
    """Build a :class:`~flowzoo_cnf.cnf.CNF` whose blocks are networks found by name.

    Raises:
        OptionError: A solver does not go with its options.
    """
    settings = Settings(
        objective=objective,
        likelihood_share=likelihood_share,
        likelihood_rate=likelihood_rate,
        matching_rate=matching_rate,
        pairing=pairing,
        training=Solver(solver, tolerance, steps, gradient == "adjoint"),
        evaluation=Solver(evaluation_solver, evaluation_tolerance, evaluation_steps),
        trace=trace,
        evaluation_trace=evaluation_trace,
        probes=probes,
        kinetic=kinetic,
        jacobian=jacobian,
        steer=steer,
        checkpointing=checkpointing,
        compiled=compiled,
    )
    fields = [builder.network(network, shape, shape[0], context_shape, timed=True) for _ in range(blocks)]
    return CNF(fields, settings)
