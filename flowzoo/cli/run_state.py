"""The present state of a run, read from its folder while another process trains it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from flowzoo.runfolder import RunFolder, RunRecord
from flowzoo.training.apart.folders import LevelFolders
from flowzoo.training.log import TrainingLog
from flowzoo.training.stage import ALL_LEVELS, LIKELIHOOD

Status = Literal["starting", "running", "stopped", "finished"]

ENDED: tuple[Status, ...] = ("stopped", "finished")

Curves = Mapping[str, list[tuple[float, float, float]]]
"""Points by name of the curve: steps, seconds, and value."""


@dataclass(frozen=True)
class RunState:
    """The state of a run.

    Attributes:
        path: The run folder.
        status: ``stopped`` if no process trains it, though its budget is not used up.
        record: The run's record; None before there is one.
        steps: Number of steps so far.
        seconds: Time of training so far, as budgets count it: that of all levels, if they train apart.
        elapsed: The same, but of levels that train at the same time that of the longest.
        trains: What trains, or trained last; empty before the first step.
        training: The last record of the log about a step; empty before the first, and if levels train apart.
        validation: The last one about a validation.
        note: What went wrong last, such as a validation without a finite figure; empty if nothing did.
        likelihoods: Curves of bits/dim: those of the training loss where it is the likelihood, and those of
            validations. If levels train one after another, each has its own.
        losses: Curves of other objectives, whose values compare with nothing else.
        samples: The last picture of samples; None if there is none.
    """

    path: Path
    status: Status
    record: RunRecord | None = None
    steps: int = 0
    seconds: float = 0.0
    elapsed: float = 0.0
    trains: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    likelihoods: Curves = field(default_factory=dict)
    losses: Curves = field(default_factory=dict)
    samples: Path | None = None


def read_state(path: Path) -> RunState:
    """Return the state of a run.

    Raises:
        SavedModelError: The folder holds no run, and no process is about to begin one in it.
    """
    folder = RunFolder(path)
    trains = folder.is_training()
    if trains and path.is_dir() and not folder.has_record():
        return RunState(path, "starting")
    record = folder.read()
    log = TrainingLog(folder.log).read()
    apart = [] if log else LevelFolders(folder).logs()
    likelihoods: dict[str, list[tuple[float, float, float]]] = {}
    losses: dict[str, list[tuple[float, float, float]]] = {}
    last: dict[str, Mapping[str, Any]] = {}
    for each in chain(log, *apart):
        last |= {kind: each for kind, kept in _KINDS.items() if kept(each.get(kind))}
        place = float(each["step"]), _finite(each.get("seconds")) or 0.0
        part = str(each.get("stage", "")).split(",")[0]
        where = "" if part in ("", ALL_LEVELS) else f" of {part}"
        loss, bits = _finite(each.get("loss")), _finite(each.get("validation_bits_per_dim"))
        if loss is not None:
            objective = each.get("objective", LIKELIHOOD)
            group = likelihoods if objective == LIKELIHOOD else losses
            name = f"training{where}" if objective == LIKELIHOOD else f"{objective}{where}"
            group.setdefault(name, []).append((*place, loss))
        if bits is not None:
            curve = likelihoods.setdefault(f"validation{where}", [])
            curve.append((*place, bits))
    samples = last.get("samples")
    ends = [records[-1] for records in apart or [log] if records]
    seconds = [_finite(each.get("seconds")) or 0.0 for each in ends]
    return RunState(
        path=path,
        status=_status(record, trains, bool(ends)),
        record=record,
        steps=max(record.steps, sum(each["step"] for each in ends)),
        seconds=max(record.seconds, sum(seconds)),
        elapsed=max([record.seconds, *seconds]),
        trains=", ".join(str(each.get("stage", "")) for each in ends),
        training={} if apart else last.get("loss", {}),
        validation={} if apart else last.get("validation_bits_per_dim", {}),
        note=_note(log),
        likelihoods=likelihoods,
        losses=losses,
        samples=None if samples is None else path / samples["samples"],
    )


def _finite(value: object) -> float | None:
    """Return a finite number of a log, or None: other programs, or a full disk, may have changed the file."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


_KINDS: Mapping[str, Callable[[object], bool]] = {
    "loss": lambda value: _finite(value) is not None,
    "validation_bits_per_dim": lambda value: _finite(value) is not None,
    "samples": lambda value: isinstance(value, str),
}
"""What distinguishes the kinds of records, and whether its value can be shown."""


def _status(record: RunRecord, trains: bool, logged: bool) -> Status:
    if record.status == "finished":
        return "finished"
    if not trains:
        return "stopped"
    return "running" if logged else "starting"


def _note(log: list[dict[str, Any]]) -> str:
    """Return what the log's last records say about a failure, if they say so."""
    for each in log[-2:]:
        if "validation_error" in each:
            return f"the validation at step {each['step']:,} gave no figure: {each['validation_error']}"
        if "ended" in each:
            return f"{each['stage']} has ended early: {each['ended']}"
    return ""
