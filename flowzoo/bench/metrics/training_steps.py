"""Training steps, as the training loop takes them, for metrics that measure one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field

from flowzoo.call import Ledger
from flowzoo.data.batches import ShuffledBatches
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.metric import Better, Measurement, Trained
from flowzoo.training.stage import Stage, plan_stages
from flowzoo.training.step import TrainingStep
from flowzoo.warm_start import WarmStart

StepSize = Annotated[
    int | None, Field(ge=1, description="Number of images in a step. None: as many as in training.")
]


class TrainingSteps:
    """Steps of a stage: dequantisation, loss, gradients, clipping, optimiser and weight average.

    Where training has an adversarial term, they have it too.

    The learning rate is zero, so that every step uses the trained weights, and a solver needs
    as many evaluations in the last of them as in the first.

    Args:
        trained: The model; its gradients are overwritten, its weights stay as they are.
        stage: Stage of the training.
        batch_size: Number of images in a step; None for the training's.
    """

    def __init__(self, trained: Trained, stage: Stage, batch_size: int | None = None) -> None:
        options = parse_training_options(trained.training)
        self.batch_size = batch_size or options.images_per_step
        dataset = trained.dataset
        self._batches = ShuffledBatches(
            dataset.split("train"), self.batch_size, trained.seed, dataset.info.flips
        )
        generator = torch.Generator(device=trained.flow.device).manual_seed(trained.seed)
        self._step = TrainingStep(trained.flow, stage, options, generator, WarmStart(trained.flow))
        self.conditions: Mapping[str, Any] = {
            "stage": stage.name,
            "phase": stage.phase.name,
            "precision": options.precision,
            **({} if options.adversarial is None else {"adversarial": options.adversarial}),
        }

    def take(self) -> Ledger:
        """Take one step and return what components reported on the way.

        Raises:
            NumericalError: The loss or a gradient is not finite.
        """
        images, labels = self._batches.take()
        return self._step.take(images, 0.0, labels)[1]


def last_steps(trained: Trained, batch_size: int | None = None) -> TrainingSteps | None:
    """Return steps of the stage that training ended with; None if nothing of the model trains."""
    stages = plan_stages(trained.flow, parse_training_options(trained.training))
    last = next((stage for stage in reversed(stages) if not stage.scoring), None)
    return None if last is None else TrainingSteps(trained, last, batch_size)


def nothing_trains(unit: str, better: Better) -> Measurement:
    """Return the measurement of a metric of training for a model without trainable parts."""
    objection = "nothing of this model trains by steps"
    return Measurement(None, unit, better, repeats=False).objected(objection)
