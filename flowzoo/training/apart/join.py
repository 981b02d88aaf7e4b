"""Joins levels that trained apart into one model, one log and one checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flowzoo.flow import Flow
from flowzoo.registry.saving import load_model, save_model
from flowzoo.runfolder import RunFolder
from flowzoo.training.checkpoint import Position, load_checkpoint, save_checkpoint
from flowzoo.training.log import TrainingLog


def join_levels(flow: Flow, run: RunFolder, folders: Mapping[int, RunFolder], beginning: Position) -> None:
    """Give a run the model, the log and the checkpoint that it has if its levels train one after another.

    Args:
        flow: The model after the first pass over the data, which gets the levels' best weights.
        run: The run.
        folders: The folder of each level by its place, in the order of the training.
        beginning: The position after the first pass.

    Raises:
        SavedModelError: The model or the checkpoint of a level is missing or damaged.
        FileError: A file cannot be written; the levels' own stay.
    """
    records: list[dict[str, Any]] = []
    end = beginning
    for place, folder in folders.items():
        trained = load_model(folder.model, device=str(flow.device), check=False)
        flow.level(place).load_state_dict(trained.level(place).state_dict())
        position, saved = load_checkpoint(folder.checkpoint)
        records += [_after(end, beginning, record) for record in TrainingLog(folder.log).read()]
        end = replace(
            position,
            stage=end.stage + position.stage + 1,
            step=end.step + position.step,
            seconds=end.seconds + position.seconds - beginning.seconds,
            probe=None,
        )
    TrainingLog(run.log).write(records)
    save_model(flow, run.model)
    save_checkpoint(run.checkpoint, replace(end, stage=end.stage - 1), {**saved, "model": flow.state_dict()})


def _after(end: Position, beginning: Position, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of a level's log as if the level had begun where another ended."""
    step = record["step"] + end.step
    images = record["images"] // max(record["step"], 1) * step if record["step"] else record["images"]
    seconds = round(record["seconds"] + end.seconds - beginning.seconds, 3)
    return {**record, "step": step, "seconds": seconds, "images": images}
