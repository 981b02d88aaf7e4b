"""How fast a model draws images."""

from __future__ import annotations

from dataclasses import dataclass

from flowzoo.bench.metrics.evaluation_batch import BatchSize
from flowzoo.bench.metrics.timing import Repetitions, Seconds, measure_speed
from flowzoo.metric import Measurement, Metric, Trained


@dataclass(frozen=True)
class SampleSpeed(Metric):
    """Images a second, drawn as ``flowzoo sample`` draws them, at temperature 1.

    Attributes:
        batch_size: Images at once.
        repetitions: Timed batches.
        seconds: Stop after so long.
    """

    batch_size: int
    repetitions: int
    seconds: float

    def measure(self, trained: Trained) -> Measurement:
        flow = trained.flow
        speed = measure_speed(
            lambda: flow.sample(self.batch_size, seed=trained.seed),
            self.batch_size,
            flow.device,
            self.repetitions,
            self.seconds,
        )
        return speed.measurement({"temperature": 1.0})


def build_sample_speed(
    *,
    batch_size: BatchSize = 100,
    repetitions: Repetitions = 20,
    seconds: Seconds = 10.0,
) -> SampleSpeed:
    """Build the metric."""
    return SampleSpeed(batch_size, repetitions, seconds)
