"""How fast a model evaluates likelihoods."""

from __future__ import annotations

from dataclasses import dataclass

from flowzoo.bench.metrics.evaluation_batch import BatchSize, EvaluationBatch, Exact
from flowzoo.bench.metrics.timing import Repetitions, Seconds, measure_speed
from flowzoo.metric import Measurement, Metric, Trained


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

    def measure(self, trained: Trained) -> Measurement:
        batch = EvaluationBatch(trained, self.batch_size, self.exact)
        speed = measure_speed(
            batch.bits_per_dim, self.batch_size, trained.flow.device, self.repetitions, self.seconds
        )
        return speed.measurement(batch.conditions)


def build_log_prob_speed(
    *,
    batch_size: BatchSize = 100,
    exact: Exact = None,
    repetitions: Repetitions = 20,
    seconds: Seconds = 10.0,
) -> LogProbSpeed:
    """Build the metric."""
    return LogProbSpeed(batch_size, exact, repetitions, seconds)
