"""One step of training: dequantisation, loss, gradient, clipping, optimiser and the average of weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from flowzoo.call import Call, Ledger
from flowzoo.errors import NumericalError
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.flow import Flow
from flowzoo.shapes import IntegerImages
from flowzoo.solving import Solving
from flowzoo.training.average import WeightAverage
from flowzoo.training.precision import autocast, rounded_products
from flowzoo.training.stage import Stage
from flowzoo.warm_start import WarmStart

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "adamax": torch.optim.Adamax,
}


class NotFiniteError(NumericalError):
    """A loss or gradient that is not finite. The advice depends on the progress of the training."""


class TrainingStep:
    """Takes steps of one stage, and holds the optimiser, the average and the warm start.

    Args:
        flow: The model, trained in place.
        stage: The levels that train, and their phase.
        options: Options of the training.
        generator: Draws the noise.
        warm_start: What components keep from batch to batch.

    Attributes:
        optimiser: Optimiser of the stage's parameters.
        average: Average of the weights.
        warm_start: The warm start.
    """

    def __init__(
        self,
        flow: Flow,
        stage: Stage,
        options: TrainingOptions,
        generator: torch.Generator,
        warm_start: WarmStart,
    ) -> None:
        self._flow = flow
        self._stage = stage
        self._precision = options.precision
        self._clip = options.clip
        self._generator = generator
        self._parameters: list[nn.Parameter] = stage.parameters(flow)
        self.optimiser = OPTIMISERS[options.optimiser](self._parameters, lr=options.learning_rate)
        self.average = WeightAverage(flow, options.average)
        self.warm_start = warm_start

    def take(self, images: IntegerImages, learning_rate: float) -> tuple[float, Ledger]:
        """Take one step.

        Args:
            images: ``(B, C, H, W)``, on any device.
            learning_rate: Learning rate of this step.

        Returns:
            The loss in bits/dim, and the reports of components.

        Raises:
            NotFiniteError: The loss or its gradient is not finite; the weights are not changed then.
            NumericalError: A component could not compute the loss.
        """
        ledger = Ledger()
        call = Call(
            mode="train",
            generator=self._generator,
            ledger=ledger,
            solver=Solving(phase=self._stage.phase.name, warm_start=self.warm_start),
        )
        device = self._flow.device
        with rounded_products(self._precision, device):
            with autocast(self._precision, device):
                loss = self._stage.loss(self._flow, images, call)
            value = float(loss.detach())
            _require_finite(value, "loss")
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
        norm = nn.utils.clip_grad_norm_(self._parameters, self._clip)
        _require_finite(float(norm), "gradient")
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.optimiser.step()
        self.average.update()
        return value, ledger


def _require_finite(value: float, what: str) -> None:
    if not math.isfinite(value):
        raise NotFiniteError(f"the {what} is {value}")
