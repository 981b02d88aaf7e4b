"""A run whose levels train at the same time: what it needs, and its course."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from flowzoo.data.given import IN_MEMORY
from flowzoo.errors import OptionError
from flowzoo.experiment.experiment import Experiment
from flowzoo.experiment.log_options import LogOptions
from flowzoo.runfolder import RunFolder
from flowzoo.training.apart.levels_apart import Apart, LevelsApart
from flowzoo.training.reporter import Reporter

if TYPE_CHECKING:
    from flowzoo.training.trainer import Trainer, TrainingResult


def plan_levels(
    apart: Apart,
    trainer: Trainer,
    folder: RunFolder,
    experiment: Experiment,
    device: torch.device,
    workers: int,
    reporter: Reporter,
    log: LogOptions,
) -> LevelsApart:
    """Return what trains the levels of a run at the same time.

    Args:
        apart: How many at the same time.
        trainer: The trainer of the whole model.
        folder: The run's folder.
        experiment: The run's experiment.
        device: Where the levels train.
        workers: Number of processes that read ahead, for each level.
        reporter: Receives the progress.
        log: The run's logs.

    Raises:
        OptionError: The levels cannot train at the same time.
    """
    if experiment.data == IN_MEMORY:
        raise OptionError(
            "levels that train at the same time load the images in processes of their own. Give a data set "
            "by name instead of images in memory, or leave parallel out"
        )
    if experiment.training.adversarial is not None:
        raise OptionError(
            "an adversarial term needs coarse images that trained levels draw, and levels that train at the "
            "same time have none. Leave parallel or training.adversarial out"
        )
    if log.samples_every:
        raise OptionError(
            "samples cannot be drawn while levels train at the same time, since no process has the whole "
            "model. Leave --log-samples or --parallel out"
        )
    places = trainer.levels_apart
    return LevelsApart(folder, places, apart, device, workers, experiment.budget.steps, reporter)


def train_levels(trainer: Trainer, levels: LevelsApart) -> TrainingResult:
    """Train the levels of a run at the same time, and join them."""
    folders = levels.folders
    folders.make(levels.places)
    if folders.beginning.exists():
        trainer.begin_at(folders.beginning)
    else:
        trainer.save_beginning(folders.beginning)
    levels.train()
    result = trainer.join({place: folders.of(place) for place in levels.places})
    folders.remove()
    return result
