"""Steps of training, as the training loop takes them, for metrics that measure one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from flowzoo.call import Ledger
from flowzoo.data.batches import ShuffledBatches
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.metric import Better, Measurement, Trained
from flowzoo.training.stage import Stage, plan_stages
from flowzoo.training.step import TrainingStep
from flowzoo.warm_start import WarmStart


class TrainingSteps:
    """Steps of a stage: dequantisation, loss, gradients, clipping, optimiser and weight average.

    The learning rate is zero, so that every step meets the weights that training has led to; a solver needs
    as many evaluations in the last of them as in the first.

    Args:
        trained: The model; its gradients are overwritten, its weights stay as they are.
        stage: Whose levels train.
        batch_size: Images a step; None for the training's.
    """

    def __init__(self, trained: Trained, stage: Stage, batch_size: int | None = None) -> None:
        options = parse_training_options(trained.training)
        self.batch_size = batch_size or options.batch_size
        self.stage = stage
        self._precision = options.precision
        self._batches = ShuffledBatches(trained.dataset.split("train"), self.batch_size, trained.seed)
        generator = torch.Generator(device=trained.flow.device).manual_seed(trained.seed)
        self._step = TrainingStep(trained.flow, stage, options, generator, WarmStart(trained.flow))

    @property
    def conditions(self) -> Mapping[str, Any]:
        """What the steps are steps of."""
        return {
            "stage": self.stage.name,
            "phase": self.stage.phase.name,
            "precision": self._precision,
        }

    def take(self) -> Ledger:
        """Take one step and return what components reported on the way.

        Raises:
            NumericalError: The loss or a gradient is not finite.
        """
        return self._step.take(next(self._batches), learning_rate=0.0)[1]


def last_stage(trained: Trained) -> Stage | None:
    """Return the stage that training ended with, None if nothing of the model trains."""
    stages = plan_stages(trained.flow, parse_training_options(trained.training))
    return next((stage for stage in reversed(stages) if not stage.scoring), None)


def nothing_trains(unit: str, better: Better) -> Measurement:
    """Return what a metric of training has to say of a model without trainable parts."""
    return Measurement(
        None,
        unit=unit,
        better=better,
        repeats=False,
        valid=False,
        objections=("nothing of this model trains by steps",),
    )
