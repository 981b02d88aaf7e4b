"""Measures how many images a second a model trains on, evaluates, draws and decodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch

from flowzoo.bench.metrics.evaluation_batch import BatchSize, EvaluationBatch, Exact
from flowzoo.bench.metrics.timing import Repetitions, Seconds, measure_speed
from flowzoo.bench.metrics.training_steps import StepSize, last_steps, nothing_trains
from flowzoo.metric import Measurement, Metric, Trained


@dataclass(frozen=True, kw_only=True)
class _Speed(Metric):
    batch_size: BatchSize = 100
    repetitions: Repetitions = 20
    seconds: Seconds = 10.0

    def _time(
        self,
        trained: Trained,
        act: Callable[[], object],
        size: int,
        said: Callable[[], Mapping[str, Any]],
        prepare: Callable[[int], object] = lambda turn: None,
    ) -> Measurement:
        """Return the speed of a call on ``size`` images.

        Args:
            trained: The model.
            act: The call.
            size: Number of images.
            said: Returns the conditions of the calls afterwards.
            prepare: As :func:`~flowzoo.bench.metrics.timing.measure_speed` takes it.
        """
        speed = measure_speed(act, size, trained.flow.device, self.repetitions, self.seconds, prepare)
        return speed.measurement(said())


@dataclass(frozen=True, kw_only=True)
class SampleSpeed(_Speed):
    """Images per second in sampling, as ``flowzoo sample`` draws them, at temperature 1."""

    def measure(self, trained: Trained) -> Measurement:
        seeds = count(trained.seed)

        def draw() -> object:
            return trained.flow.sample(self.batch_size, seed=next(seeds) % 2**63)

        return self._time(trained, draw, self.batch_size, lambda: {"temperature": 1.0})


@dataclass(frozen=True, kw_only=True)
class DecodeSpeed(_Speed):
    """Images per second in decoding the latents of test images.

    A solver that chooses its steps may need more or fewer steps than for samples.
    """

    @torch.no_grad()
    def measure(self, trained: Trained) -> Measurement:
        _, latents = EvaluationBatch(trained, self.batch_size).encode()

        def decode() -> object:
            return trained.flow.decode(latents)

        def prepare(turn: int) -> None:
            latents[:] = [z.roll(1, 0) for z in latents]

        return self._time(trained, decode, self.batch_size, lambda: {"split": "test"}, prepare)


@dataclass(frozen=True, kw_only=True)
class LogProbSpeed(_Speed):
    """Images per second in evaluating test images with one draw of noise, after the pilot images."""

    exact: Exact = None

    def measure(self, trained: Trained) -> Measurement:
        batch = EvaluationBatch(trained, self.batch_size, self.exact)
        turns = count()

        def evaluate() -> object:
            return batch.bits_per_dim(next(turns))

        return self._time(trained, evaluate, self.batch_size, lambda: batch.conditions)


@dataclass(frozen=True, kw_only=True)
class TrainSpeed(_Speed):
    """Images per second in training steps, without validation, with the trained weights.

    If training has stages, such as phases or levels one by one, the steps are those of the last stage.
    """

    batch_size: StepSize = None  # type: ignore[assignment]  # wider than the base's

    def measure(self, trained: Trained) -> Measurement:
        steps = last_steps(trained, self.batch_size)
        if steps is None:
            return nothing_trains("images/s", "higher")
        return self._time(trained, steps.take, steps.batch_size, lambda: steps.conditions)
