"""The learning rate of a step."""

from __future__ import annotations

import math

from flowzoo.experiment.budget import Budget
from flowzoo.experiment.training_options import TrainingOptions
from flowzoo.training.checkpoint import Position
from flowzoo.training.stage import Stage


def learning_rate(position: Position, budget: Budget, stage: Stage, options: TrainingOptions) -> float:
    """Return the learning rate of the next step: it rises in the warm-up, then follows the schedule.

    Args:
        position: Where the training is, with how often it went back.
        budget: Budget of the stage.
        stage: The stage, whose phase may have a rate and a warm-up of its own.
        options: Options of the training.
    """
    done = min(1.0, budget.used(position.stage_step, position.stage_seconds))
    risen = (position.stage_step + 1) / (options.warmup + 1)
    share = options.warmup_share or stage.phase.warmup
    if share is not None:
        risen = max(risen, done / share)
    rate = options.learning_rate * stage.phase.rate * position.faults.rate * min(1.0, risen)
    if options.schedule == "cosine":
        rate *= 0.5 * (1.0 + math.cos(math.pi * done))
    return rate
