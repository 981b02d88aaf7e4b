"""Everything that training needs to continue after an interruption, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from flowzoo.errors import FlowzooError, SavedModelError
from flowzoo.files import write_atomically
from flowzoo.formats import Format, FormatError
from flowzoo.training.faults import Faults

TensorGroups = Mapping[str, Mapping[str, Tensor]]
"""A checkpoint's tensors, by group and name."""


@dataclass(frozen=True)
class Position:
    """The position of a training.

    Attributes:
        fingerprint: The experiment's fingerprint.
        stage: Index of the stage, a group of levels that train together.
        stage_step: Number of steps in the stage.
        stage_seconds: Time spent in the stage, in seconds. It begins with the stage's share of the first
            pass over the data, if the budget is in seconds.
        step: Number of steps in all.
        seconds: Time spent in all, in seconds.
        validations: Number of validations in the stage, with those that were left out for want of time.
        best: Lowest validation figure of the stage's levels, in this stage and their phases before it; with
            an adversarial term the latest one. None before the first validation.
        batches: State of the shuffled batches.
        warm_start: What the model's components have kept in the stage.
        probe: What the model computes here (:mod:`flowzoo.registry.probe`); None in old checkpoints.
        first_pass: Seconds of the first pass over the data that the budget pays for.
        faults: Steps that were skipped, and how often the stage went back.
        good: Whether the stage may go back to here: it has just begun, or a validation has just given a
            figure.
        format: Version of this record.
    """

    fingerprint: str
    stage: int
    stage_step: int
    stage_seconds: float
    step: int
    seconds: float
    validations: int
    best: float | None
    batches: Mapping[str, Any]
    warm_start: Mapping[str, Mapping[str, Any]]
    probe: Mapping[str, Any] | None = None
    first_pass: float = 0.0
    faults: Faults = field(default_factory=Faults)
    good: bool = True
    format: int = 2


def _with_warm_start(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of format 1 as one of format 2.

    In format 1 the warm start is called memory, and the oldest records have none.
    """
    return {"warm_start": record.pop("memory", {}), **record}


FORMAT = Format(
    "format", Position.format, "Delete it to train from the start", {1: _with_warm_start}, unstated=1
)
_POSITION = TypeAdapter(Position)


def save_checkpoint(path: Path, position: Position, groups: TensorGroups) -> None:
    """Write a checkpoint atomically.

    Args:
        path: Path of the file.
        position: The position of the training.
        groups: Tensors by group and name.
    """
    flat = {
        f"{group}/{name}": tensor.detach().cpu().clone().contiguous()
        for group, tensors in groups.items()
        for name, tensor in tensors.items()
    }
    metadata = {"position": json.dumps(asdict(position)), "tensors": str(len(flat))}
    write_atomically(path, save(flat, metadata=metadata))


def load_checkpoint(path: Path) -> tuple[Position, dict[str, dict[str, Tensor]]]:
    """Read a checkpoint.

    Raises:
        SavedModelError: The file is damaged, or a newer flowzoo wrote it.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            position = FORMAT.read(json.loads(metadata["position"]), _POSITION)
            keys = file.keys()
            if len(keys) != int(metadata.get("tensors", len(keys))):
                raise ValueError(f"it has {len(keys)} tensors, not {metadata['tensors']}")
            groups = _grouped((key, file.get_tensor(key)) for key in keys)
    except FormatError as error:
        raise SavedModelError(f"the checkpoint {path} {error}") from error
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise SavedModelError(f"the checkpoint {path} is damaged ({error}). {FORMAT.remedy}") from error
    return position, groups


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Say which file is damaged if what is restored from its tensors does not fit.

    Raises:
        SavedModelError: A tensor is missing, or has another shape.
    """
    try:
        yield
    except (IndexError, KeyError, RuntimeError, ValueError) as error:
        if isinstance(error, FlowzooError):
            raise
        raise SavedModelError(
            f"the checkpoint {path} is damaged: a tensor is missing or has another shape. {FORMAT.remedy}"
        ) from error


def parse_checkpoint(data: bytes) -> tuple[Position, dict[str, dict[str, Tensor]]]:
    """Return what :func:`load_checkpoint` does, from the bytes of a file that was just written."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    position = FORMAT.read(json.loads(header["__metadata__"]["position"]), _POSITION)
    return position, _grouped(load(data).items())


def _grouped(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, dict[str, Tensor]]:
    """Return tensors that are named ``group/name`` by group and name."""
    groups: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors:
        group, name = key.split("/", 1)
        groups.setdefault(group, {})[name] = tensor
    return groups


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's state as named tensors: ``"index.name"``."""
    state = optimiser.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value)
        for index, values in state.items()
        for name, value in values.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Set an optimiser to the state that :func:`optimiser_tensors` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
