"""A step of training as the trainer takes it, without its files and reports."""

from __future__ import annotations

import subjects
import torch

from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.flow import Flow
from flowzoo.training.stage import plan_stages
from flowzoo.training.step import TrainingStep
from flowzoo.warm_start import WarmStart


class OneBatch:
    """Steps of the first stage that trains the model itself, again and again on one batch.

    Args:
        flow: Trained in place, at so low a rate that the weights, and so a solver's steps, stay the same.
    """

    def __init__(self, flow: Flow) -> None:
        options = TrainingOptions()
        stage = next(stage for stage in plan_stages(flow, options) if not stage.scoring)
        generator = torch.Generator(device=flow.device).manual_seed(0)
        self._step = TrainingStep(flow, stage, options, generator, WarmStart(flow))
        self._images = (subjects.images(device=flow.device) * flow.bins).to(torch.uint8)

    def __call__(self) -> float:
        return self._step.take(self._images, learning_rate=1e-6)[0]
