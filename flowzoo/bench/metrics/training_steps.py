"""Steps of training, as the training loop takes them, for metrics that measure one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from flowzoo.data.batches import ShuffledBatches
from flowzoo.dequantisation import dequantise
from flowzoo.errors import NumericalError
from flowzoo.memory import Memory
from flowzoo.metric import Better, Measurement, Trained
from flowzoo.run import Ledger, Run
from flowzoo.training.average import WeightAverage
from flowzoo.training.loop import OPTIMISERS
from flowzoo.training.options import parse_training_options
from flowzoo.training.precision import autocast, rounded_products
from flowzoo.training.stage import Stage, plan_stages


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
        self._flow = trained.flow
        self._options = options
        self._parameters = stage.parameters(trained.flow)
        self._optimiser = OPTIMISERS[options.optimiser](self._parameters, lr=0.0)
        self._average = WeightAverage(trained.flow, options.average)
        self._batches = ShuffledBatches(trained.dataset.split("train"), self.batch_size, trained.seed)
        self._generator = torch.Generator(device=trained.flow.device).manual_seed(trained.seed)
        self._memory = Memory(trained.flow)

    @property
    def conditions(self) -> Mapping[str, Any]:
        """What the steps are steps of."""
        return {
            "stage": self.stage.name,
            "phase": self.stage.phase.name,
            "precision": self._options.precision,
        }

    def take(self) -> Ledger:
        """Take one step and return what components reported on the way.

        Raises:
            NumericalError: The loss or a gradient is not finite.
        """
        ledger = Ledger()
        run = Run(
            mode="train",
            generator=self._generator,
            phase=self.stage.phase.name,
            memory=self._memory,
            ledger=ledger,
        )
        images = next(self._batches).to(self._flow.device)
        x = dequantise(images, self._flow.bins, run)
        precision, device = self._options.precision, self._flow.device
        with rounded_products(precision, device):
            with autocast(precision, device):
                loss = self.stage.loss(self._flow, x, run).mean()
            _require_finite(float(loss.detach()), "loss")
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()
        norm = nn.utils.clip_grad_norm_(self._parameters, self._options.clip)
        _require_finite(float(norm), "gradient")
        self._optimiser.step()
        self._average.update()
        return ledger


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


def _require_finite(value: float, what: str) -> None:
    if not math.isfinite(value):
        raise NumericalError(
            f"the {what} of a training step is {value} for the trained weights; look at the training log"
        )
