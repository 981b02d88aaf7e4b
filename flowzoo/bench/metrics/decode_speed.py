"""How fast a model turns the latents of images back into images."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from flowzoo.bench.metrics.evaluation_batch import BatchSize, EvaluationBatch
from flowzoo.bench.metrics.timing import Repetitions, Seconds, measure_speed
from flowzoo.metric import Measurement, Metric, Trained
from flowzoo.shapes import Images


@dataclass(frozen=True)
class DecodeSpeed(Metric):
    """Images a second in inversion: latents of test images, where sampling starts from drawn ones.

    Solvers that choose their steps may need more or fewer of them than for samples.

    Attributes:
        batch_size: Images at once; the split's images are repeated where there are fewer.
        repetitions: Timed batches.
        seconds: Stop after so long.
    """

    batch_size: int
    repetitions: int
    seconds: float

    @torch.no_grad()
    def measure(self, trained: Trained) -> Measurement:
        _, latents = EvaluationBatch(trained, self.batch_size).encode()

        def decode() -> Images:
            return trained.flow.decode(latents)

        speed = measure_speed(decode, self.batch_size, trained.flow.device, self.repetitions, self.seconds)
        return speed.measurement({"split": "test"})


def build_decode_speed(
    *, batch_size: BatchSize = 100, repetitions: Repetitions = 20, seconds: Seconds = 10.0
) -> DecodeSpeed:
    """Build the metric."""
    return DecodeSpeed(batch_size, repetitions, seconds)
