"""A step of training as the trainer takes it, without its files and reports."""

from __future__ import annotations

import subjects
import torch
from torch import nn

from flowzoo.dequantisation import dequantise
from flowzoo.flow import Flow
from flowzoo.memory import Memory
from flowzoo.run import Run
from flowzoo.training.average import WeightAverage
from flowzoo.training.loop import OPTIMISERS
from flowzoo.training.options import TrainingOptions
from flowzoo.training.stage import plan_stages


class TrainingStep:
    """A step of the first stage that trains the model itself, again and again on one batch.

    Args:
        flow: Trained in place.
    """

    def __init__(self, flow: Flow) -> None:
        options = TrainingOptions()
        self._flow = flow
        self._clip = options.clip
        self._stage = next(stage for stage in plan_stages(flow, options) if not stage.scoring)
        self._parameters: list[nn.Parameter] = self._stage.parameters(flow)
        # So low a rate that the weights, and with them a solver's steps, stay what they are.
        self._optimiser = OPTIMISERS[options.optimiser](self._parameters, lr=1e-6)
        self._average = WeightAverage(flow, options.average)
        self._memory = Memory(flow)
        self._generator = torch.Generator().manual_seed(0)
        self._images = (subjects.images(device=flow.device) * flow.bins).long()

    def __call__(self) -> float:
        run = Run(mode="train", generator=self._generator, phase=self._stage.phase.name, memory=self._memory)
        loss = self._stage.loss(self._flow, dequantise(self._images, self._flow.bins, run), run).mean()
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, self._clip)
        self._optimiser.step()
        self._average.update()
        return float(loss.detach())
