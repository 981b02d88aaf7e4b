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
    blocks: Annotated[int, Field(ge=1, description="neural ODEs, one after another")] = 2,
    network: Annotated[NetworkSpec, Field(description="the vector field of each block")] = Spec("conv-field"),
    objective: Annotated[
        Objective, Field(description="what training minimises; the reported likelihood is always the ODE's")
    ] = "likelihood",
    matching_rate: Annotated[
        float, Field(gt=0, description="flow matching: factor on training.learning_rate")
    ] = 3.0,
    pairing: Annotated[
        Pairing,
        Field(description="flow matching: of noise and images in a batch; transport straightens paths"),
    ] = "random",
    likelihood_share: Annotated[
        float, Field(gt=0, lt=1, description="flow-matching+likelihood: of the budget, for the likelihood")
    ] = 0.2,
    likelihood_rate: Annotated[
        float, Field(gt=0, description="flow-matching+likelihood: factor on training.learning_rate there")
    ] = 0.3,
    solver: Annotated[Method, Field(description="likelihood: solver in training")] = "dopri5",
    tolerance: Annotated[
        float, Field(gt=0, lt=1, description="likelihood: error allowed in training, a block, over the batch")
    ] = 1e-3,
    steps: Annotated[
        int | None, Field(ge=1, description="likelihood: steps a block in training, whatever their error")
    ] = None,
    gradient: Annotated[
        Literal["discrete", "adjoint"],
        Field(description="likelihood: through the solver's steps, or by torchdiffeq's adjoint method"),
    ] = "discrete",
    checkpointing: Annotated[
        bool, Field(description="likelihood: save memory, computing activations twice")
    ] = False,
    evaluation_solver: Annotated[Method, Field(description="solver in evaluation and sampling")] = "dopri5",
    evaluation_tolerance: Annotated[
        float, Field(gt=0, lt=1, description="error allowed in evaluation and sampling, a block")
    ] = 5e-4,
    evaluation_steps: Annotated[
        int | None, Field(ge=1, description="steps a block in evaluation, whatever their error")
    ] = None,
    trace: Annotated[Trace, Field(description="likelihood: of the Jacobian, in training")] = "hutchinson",
    evaluation_trace: Annotated[Trace, Field(description="of the Jacobian, in evaluation")] = "hutchinson",
    probes: Annotated[Probes, Field(description="random vectors of the Hutchinson estimate")] = "rademacher",
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
    compiled: Annotated[
        bool,
        Field(description="likelihood: use torch.compile, which needs a C++ compiler on the CPU"),
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
