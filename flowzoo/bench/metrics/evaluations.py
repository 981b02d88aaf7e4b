"""Counts the evaluations of vector fields."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from flowzoo.bench.metrics.evaluation_batch import BatchSize, EvaluationBatch, Exact
from flowzoo.bench.metrics.training_steps import TrainingSteps, last_steps
from flowzoo.call import Call, Ledger
from flowzoo.flow import Flow
from flowzoo.metric import Measurement, Metric, Trained

SETTLING = 3
"""Training steps before the counted ones: solvers find their number of steps in them."""

COUNTED = 5
"""Number of training steps that are averaged."""


@dataclass(frozen=True, kw_only=True)
class Evaluations(Metric):
    """Evaluations of all vector fields for one batch of likelihoods; 0 for models without an ODE.

    The details state those of a training step, on average over :data:`COUNTED` of them, and of sampling.
    The evaluations of solvers are counted. One that also computes the trace counts once, whatever the
    trace costs, and a step of flow matching, which solves nothing, counts none.
    """

    batch_size: BatchSize = 100
    exact: Exact = None

    def measure(self, trained: Trained) -> Measurement:
        batch = EvaluationBatch(trained, self.batch_size, self.exact)
        batch.bits_per_dim()
        steps = last_steps(trained)
        training = {} if steps is None else {"training_batch_size": steps.batch_size, **steps.conditions}
        return Measurement(
            value=batch.evaluations,
            unit="",
            better="lower",
            conditions={"batch_size": self.batch_size, **batch.conditions, **training},
            details={
                "training_step": None if steps is None else _in_training(steps),
                "sampling": _in_sampling(trained.flow, self.batch_size, trained.seed),
            },
        )


def _in_training(steps: TrainingSteps) -> float:
    found = [_count(steps.take()) for _ in range(SETTLING + COUNTED)]
    return sum(found[SETTLING:]) / COUNTED


@torch.no_grad()
def _in_sampling(flow: Flow, size: int, seed: int) -> float:
    ledger = Ledger()
    call = Call(generator=torch.Generator().manual_seed(seed), ledger=ledger)
    flow.decode(flow.draw_latents(size, call=call), call)
    return _count(ledger)


def _count(ledger: Ledger) -> float:
    return ledger.counts.get("evaluations", 0.0)
