"""How fast a model evaluates likelihoods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from flowzoo.bench.metrics.timing import Repetitions, Seconds, measure_speed
from flowzoo.evaluation.likelihood import EXACT_UP_TO
from flowzoo.evaluation.notes import stated
from flowzoo.evaluation.pilot import fly_pilot
from flowzoo.metric import Measurement, Metric, Trained
from flowzoo.run import Ledger, Run, per_image_generators


@dataclass(frozen=True)
class LogProbSpeed(Metric):
    """Images a second in an evaluation: one draw, after the pilot, on test images.

    Attributes:
        batch_size: Images at once; the split's images are repeated where there are fewer.
        exact: As :func:`~flowzoo.evaluation.likelihood.evaluate_likelihood` takes it.
        repetitions: Timed batches.
        seconds: Stop after so long.
    """

    batch_size: int
    exact: bool | None
    repetitions: int
    seconds: float

    @torch.no_grad()
    def measure(self, trained: Trained) -> Measurement:
        flow, source = trained.flow, trained.dataset.split("test")
        exact = flow.dimensions <= EXACT_UP_TO if self.exact is None else self.exact
        memory = fly_pilot(flow, source, len(source), trained.seed, exact)
        indices = [place % len(source) for place in range(self.batch_size)]
        images = source.take(indices)
        ledger = Ledger()

        def evaluate() -> None:
            generators = per_image_generators(trained.seed, indices)
            flow.bits_per_dim(images, Run(generator=generators, exact=exact, memory=memory, ledger=ledger))

        speed = measure_speed(evaluate, self.batch_size, flow.device, self.repetitions, self.seconds)
        return speed.measurement({name: stated(ledger, name) for name in ("trace", "solver")})


def build_log_prob_speed(
    *,
    batch_size: Annotated[int, Field(ge=1, description="images at once")] = 100,
    exact: Annotated[
        bool | None, Field(description="exact log-determinants; None: up to 64 dimensions")
    ] = None,
    repetitions: Repetitions = 20,
    seconds: Seconds = 10.0,
) -> LogProbSpeed:
    """Build the metric."""
    return LogProbSpeed(batch_size, exact, repetitions, seconds)
