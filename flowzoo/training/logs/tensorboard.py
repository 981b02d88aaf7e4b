"""``RUN/tensorboard``: event files for TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from flowzoo.training.logs.values import charts_of
from flowzoo.training.logs.writer import LogWriter, Opening

_FLUSH = 10
"""Seconds until what is logged can be seen."""


class TensorBoard(LogWriter):
    """Writes event files through PyTorch's ``SummaryWriter``.

    Event files are written again from the start when a run goes on, so no step is there twice. Times in
    TensorBoard are times of training: pauses are left out.

    Args:
        opening: Where the files go.
    """

    def __init__(self, opening: Opening) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = opening.folder.tensorboard
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        # With purge_step a TensorBoard that is open forgets the events of the old files.
        self._writer = SummaryWriter(str(folder), purge_step=0, flush_secs=_FLUSH)
        self._origin = time.time() - opening.seconds
        self._time = self._origin
        self._stage = ""

    def write(self, step: int, values: Mapping[str, float | str]) -> None:
        self._time = self._origin + float(values.get("seconds", 0.0))
        for name, value in charts_of(values).items():
            self._writer.add_scalar(name, value, step, walltime=self._time)
        stage = str(values.get("stage", self._stage))
        if stage != self._stage:
            self._stage = stage
            self._writer.add_text("stage", stage, step, walltime=self._time)

    def picture(self, step: int, name: str, path: Path) -> None:
        with Image.open(path) as image:
            pixels = np.asarray(image)
        layout = "HW" if pixels.ndim == 2 else "HWC"
        self._writer.add_image(name, pixels, step, walltime=self._time, dataformats=layout)

    def close(self) -> None:
        self._writer.close()
