"""Pictures of samples while a model trains."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from flowzoo.experiment.log_options import LogOptions
from flowzoo.files import make_folder
from flowzoo.flow import Flow
from flowzoo.pictures import Grid
from flowzoo.runfolder import RunFolder
from flowzoo.training.log import TrainingLog
from flowzoo.training.logs.mirror import SAMPLES

_LOGGER = logging.getLogger("flowzoo")

IMAGES = 16
"""Number of images in a picture."""

SEED = 0
"""Seed of all pictures, so that they show how the same noise comes out."""

TRAIN_PER_DRAWING = 9.0
"""Smallest ratio of training time to the time of drawing, where nothing else was asked for."""


class SampleLog:
    """Draws samples after validations into ``RUN/samples``.

    Nothing else depends on them: they have a generator of their own, their time is not part of the budget,
    and where they fail, training goes on without them.

    Args:
        options: How often samples are drawn.
        folder: The run folder.
        log: The run's own log, which gets a record of each picture.
        batch_size: Number of images at once.
    """

    def __init__(self, options: LogOptions, folder: RunFolder, log: TrainingLog, batch_size: int) -> None:
        self._draws = options.draws_samples
        self._every = options.samples_every
        self._folder = folder
        self._log = log
        self._batch_size = batch_size
        self._validations = sum("validation_bits_per_dim" in each for each in log.read())
        self._earliest = 0.0

    def drop_later(self, step: int) -> None:
        """Remove the pictures of later steps, which are about to be trained again."""
        for path in self._folder.samples.glob("*.png"):
            if path.stem.isdecimal() and int(path.stem) > step:
                path.unlink()

    def draw(self, flow: Flow, record: dict[str, Any], progress: Callable[[int, int], object]) -> None:
        """Draw a picture after a validation, if one is due.

        Args:
            flow: The model.
            record: Step, seconds and stage.
            progress: Called with the number of images that are done, and of all.
        """
        self._validations += 1
        began = time.monotonic()
        if not self._draws or not self._due(began):
            return
        name = f"{record['step']:08}.png"
        try:
            grid = Grid(IMAGES, flow.image_shape, flow.bins)
            done = 0
            progress(done, IMAGES)
            for images in flow.sample_batches(IMAGES, seed=SEED, batch_size=min(IMAGES, self._batch_size)):
                grid.place(images, range(done, done + len(images)))
                done += len(images)
                progress(done, IMAGES)
            make_folder(self._folder.samples)
            grid.save(self._folder.samples / name)
        except Exception as error:
            self._draws = False
            reason = " ".join(str(error).split()) or type(error).__name__
            _LOGGER.warning("no more samples are drawn, and training goes on without them: %s", reason)
            return
        self._log.append({**record, SAMPLES: f"{self._folder.samples.name}/{name}"})
        now = time.monotonic()
        self._earliest = now + TRAIN_PER_DRAWING * (now - began)

    def _due(self, now: float) -> bool:
        return now >= self._earliest if self._every is None else self._validations % self._every == 0
