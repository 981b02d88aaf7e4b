"""How a continuous flow is trained and solved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from flowzoo.api import OptionError, Phase
from flowzoo_cnf.solver import Solver

Objective = Literal["likelihood", "flow-matching", "flow-matching+likelihood"]
Trace = Literal["hutchinson", "exact"]
Probes = Literal["rademacher", "gaussian"]
Pairing = Literal["random", "optimal-transport"]

LIKELIHOOD = "likelihood"
MATCHING = "flow-matching"


@dataclass(frozen=True)
class Settings:
    """How a CNF is trained and solved; :func:`~flowzoo_cnf.build.build_cnf` says what each option means.

    Raises:
        OptionError: Options contradict each other.
    """

    objective: Objective = "likelihood"
    likelihood_share: float = 0.2
    likelihood_rate: float = 0.3
    matching_rate: float = 3.0
    pairing: Pairing = "random"
    training: Solver = field(default_factory=lambda: Solver("dopri5", 1e-3))
    evaluation: Solver = field(default_factory=lambda: Solver("dopri5", 5e-4))
    trace: Trace = "hutchinson"
    evaluation_trace: Trace = "hutchinson"
    probes: Probes = "rademacher"
    kinetic: float = 0.0
    jacobian: float = 0.0
    steer: float = 0.0
    checkpointing: bool = False
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.steer and self.objective == MATCHING:
            raise OptionError(
                "steer draws the end times of solves, and flow matching solves nothing; "
                f"set objective={LIKELIHOOD} or {MATCHING}+{LIKELIHOOD}"
            )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """What training goes through."""
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
