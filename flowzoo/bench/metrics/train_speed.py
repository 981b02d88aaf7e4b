"""How fast a model trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from flowzoo.bench.metrics.timing import Repetitions, Seconds, measure_speed
from flowzoo.bench.metrics.training_steps import TrainingSteps, last_stage, nothing_trains
from flowzoo.metric import Measurement, Metric, Trained


@dataclass(frozen=True)
class TrainSpeed(Metric):
    """Images a second of training steps, without validation, for the trained weights.

    Where training has stages, such as phases or levels one by one, the steps are the last one's.

    Attributes:
        batch_size: Images a step; None for the training's.
        repetitions: Timed steps.
        seconds: Stop after so long.
    """

    batch_size: int | None
    repetitions: int
    seconds: float

    def measure(self, trained: Trained) -> Measurement:
        stage = last_stage(trained)
        if stage is None:
            return nothing_trains("images/s", "higher")
        steps = TrainingSteps(trained, stage, self.batch_size)
        speed = measure_speed(
            steps.take, steps.batch_size, trained.flow.device, self.repetitions, self.seconds
        )
        return speed.measurement(steps.conditions)


def build_train_speed(
    *,
    batch_size: Annotated[int | None, Field(ge=1, description="images a step; None: the training's")] = None,
    repetitions: Repetitions = 20,
    seconds: Seconds = 10.0,
) -> TrainSpeed:
    """Build the metric."""
    return TrainSpeed(batch_size, repetitions, seconds)
