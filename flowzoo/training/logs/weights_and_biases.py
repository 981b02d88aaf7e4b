"""Weights & Biases, through its library ``wandb``."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowzoo.files import write_json
from flowzoo.training.logs.values import charts_of
from flowzoo.training.logs.writer import LogWriter, Opening


class WeightsAndBiases(LogWriter):
    """Sends a training to Weights & Biases; with ``WANDB_MODE=offline`` it is only stored in the run folder.

    The project is ``WANDB_PROJECT``, by default ``flowzoo``. What was sent cannot be taken back. So steps
    that are trained again after an interruption are left out.

    Args:
        opening: The run folder, and the settings of the training.
    """

    def __init__(self, opening: Opening) -> None:
        import wandb

        # It holds the run's identifier at Weights & Biases, and the last step that was sent.
        path = opening.folder.wandb_state
        state: dict[str, Any] = {"id": secrets.token_hex(4), "step": -1}
        if path.is_file():
            state = json.loads(path.read_text())
            state["step"] = self.written = max(state["step"], opening.sent)
        write_json(path, state)
        self._image = wandb.Image
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or "flowzoo",
            name=opening.folder.path.resolve().name,
            id=state["id"],
            resume="allow",
            dir=opening.folder.path,
            config=dict(opening.settings),
            # The library would otherwise copy all that the program prints, and progress bars are a lot.
            settings=wandb.Settings(console="off"),
        )

    def write(self, step: int, values: Mapping[str, float | str]) -> None:
        stage = {"stage": values["stage"]} if "stage" in values else {}
        self._run.log({**charts_of(values), **stage}, step=step)

    def picture(self, step: int, name: str, path: Path) -> None:
        self._run.log({name: self._image(str(path))}, step=step)

    def close(self) -> None:
        self._run.finish()
