"""The program that trains one level of a run: ``python -m flowzoo.training.apart.program``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from flowzoo.device import prepare_device
from flowzoo.errors import FlowzooError
from flowzoo.program_process import Send, serve
from flowzoo.runfolder import RunFolder
from flowzoo.training.apart.folders import LevelFolders
from flowzoo.training.apart.levels_apart import KINDS
from flowzoo.training.course import level_trainer
from flowzoo.training.reporter import Progress, Reporter
from flowzoo.training.stop import Interrupted, stoppable

TELL_EVERY = 0.2
"""Shortest time in seconds between two messages of progress."""


class _Telling(Reporter):
    def __init__(self, send: Send) -> None:
        self._send = send
        self._told = 0.0

    def update(self, progress: Progress) -> None:
        now = time.monotonic()
        if not progress.work and (now - self._told > TELL_EVERY or progress.used >= 1):
            self._told = now
            self._send(
                {
                    "stage": progress.stage,
                    "step": progress.step,
                    "used": progress.used,
                    "speed": progress.images_per_second,
                    "bits": progress.bits_per_dim,
                    "validated_at": progress.validated_at,
                }
            )


def train_level(job: dict[str, Any], send: Send) -> None:
    """Train the level that a job names, from where it was interrupted if it was."""
    torch.set_num_threads(job["threads"])
    run, place = RunFolder(job["run"]), job["level"]
    folders = LevelFolders(run)
    try:
        with stoppable(), folders.of(place).locked():
            device = prepare_device(job["device"])
            trainer = level_trainer(run, folders.of(place), place, device, job["workers"], _Telling(send))
            if folders.of(place).checkpoint.exists():
                trainer.restore(None)
            else:
                trainer.begin_at(Path(folders.beginning))
            result = trainer.train(lambda position: None)
    except Interrupted:
        return
    except FlowzooError as error:
        kind = next(name for name, each in KINDS.items() if isinstance(error, each))
        send({"failed": str(error), "kind": kind})
        return
    send({"steps": result.steps, "seconds": result.seconds})


if __name__ == "__main__":
    serve(train_level)
