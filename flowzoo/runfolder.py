"""The run folder: what training writes, and what evaluation and sampling read.

RUN/run.json               the experiment and its progress
RUN/model/                 the best model so far, as a saved model
RUN/log.jsonl              training losses and validation figures
RUN/samples/               pictures of samples while training, if they were asked for
RUN/log.csv, tensorboard/, wandb/   the other logs, if they were asked for
RUN/levels/                while levels train apart, the folder of each
RUN/checkpoint.safetensors what training needs to go on after an interruption
RUN/checkpoint-good.safetensors   the last good state, where the checkpoint is later than that
RUN/.lock                  held by the process that trains; there while it does
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import TypeAdapter

from flowzoo.errors import FileError, SavedModelError
from flowzoo.experiment.experiment import Experiment
from flowzoo.experiment.log_options import NO_LOG, LogOptions
from flowzoo.files import make_folder, write_json
from flowzoo.flow import Flow
from flowzoo.formats import Format, FormatError
from flowzoo.locks import hold, is_held
from flowzoo.registry.lookup import Registry
from flowzoo.registry.provenance import Provenance
from flowzoo.registry.saving import load_model
from flowzoo.shell import word

NEW_RUN = "start a new run"
"""What to do about a run that cannot continue."""


@dataclass(frozen=True)
class DataReport:
    """The result of reading a run's data set before training; empty in records of older versions.

    Attributes:
        sizes: Number of images in each split.
        revisions: Content hash of each split; empty where the data set states none.
        skipped: Number of skipped files, for each reason.
        changed: Number of images whose values were changed when they were read, for each kind of change.
        shared: Number of images of one split that are in another one too, by ``"test in train"``.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    revisions: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)
    shared: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Grown:
    """What a run's model has grown from (:mod:`flowzoo.training.grow`).

    Attributes:
        model: The trained model, as it was named.
        levels: Number of levels that were added, the finest ones; only these train.
        tensors: Digest of the tensors of the trained model's levels.
    """

    model: str
    levels: int
    tensors: str


@dataclass(frozen=True)
class RunRecord:
    """The record of a run: its experiment, its progress, and what it was made with.

    Attributes:
        experiment: The experiment, with all options of the model and of the pixel transform: defaults
            that change later change nothing here.
        status: Whether the budget was used up.
        steps: Number of steps so far.
        seconds: Time spent so far, in seconds.
        first_validation: When the first model is kept, in the budget's unit; None where none is kept before
            the end, or where that is unknown.
        data_report: The result of reading the data set before training.
        provenance: Revisions and versions of what it was last trained with; None in records from before this
            was kept.
        earlier_versions: Versions of what it was trained with before, where it was resumed with others.
        log: Where training is logged, besides the folder's own log.
        grown: What the model has grown from; None for one that trains as a whole.
        processes: Number of processes that compute a step together, as of the last start.
        format: Version of this record.
    """

    experiment: Experiment
    status: Literal["running", "finished"] = "running"
    steps: int = 0
    seconds: float = 0.0
    first_validation: float | None = None
    data_report: DataReport = field(default_factory=DataReport)
    provenance: Provenance | None = None
    earlier_versions: tuple[Mapping[str, str], ...] = ()
    log: LogOptions = NO_LOG
    grown: Grown | None = None
    processes: int = 1
    format: int = 2

    def to_json(self) -> bytes:
        """Return the record as JSON."""
        return _RECORD.dump_json(self)

    @staticmethod
    def from_json(data: bytes) -> RunRecord:
        """Return the record that :meth:`to_json` wrote."""
        return _RECORD.validate_json(data)


def _with_experiment(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of format 1, whose fields lie side by side, as one of format 2."""
    names = [each.name for each in fields(Experiment)]
    experiment = {name: record.pop(name) for name in names if name in record}
    return {"experiment": experiment, **record}


FORMAT = Format(
    "format",
    RunRecord.format,
    "Copy it again, or train again. The folder model beside it can be used alone, as a saved model",
    {1: _with_experiment},
)
_RECORD = TypeAdapter(RunRecord)


class RunFolder:
    """Paths and record of a run.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.model = self.path / "model"
        self.log = self.path / "log.jsonl"
        self.samples = self.path / "samples"
        self.csv = self.path / "log.csv"
        self.tensorboard = self.path / "tensorboard"
        self.wandb = self.path / "wandb"
        self.wandb_state = self.path / "wandb.json"
        self.levels = self.path / "levels"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.good_checkpoint = self.path / "checkpoint-good.safetensors"
        self._record = self.path / "run.json"
        self._lock = self.path / ".lock"

    @contextmanager
    def created(self, keep: Callable[[BaseException], bool] = lambda error: True) -> Iterator[None]:
        """Make the folder, and keep every other process from training in it while the block runs.

        Args:
            keep: Called with what the block raises; returns whether what was written stays. Otherwise the
                folder is left as it was, so that it does not block the next start.

        Raises:
            SavedModelError: The path exists and is not an empty folder.
            InUseError: Another process has just made it, and trains.
            FileError: The folder cannot be made.
        """
        self._refuse_what_is_there()
        made = not self.path.is_dir()
        make_folder(self.path)
        cleared = False
        try:
            with self.locked():
                self._refuse_what_is_there()  # made by another process meanwhile
                try:
                    yield
                except BaseException as error:
                    cleared = not keep(error)
                    if cleared:
                        self._clear()
                    raise
        finally:
            if made and cleared:
                with suppress(OSError):
                    self.path.rmdir()

    def _clear(self) -> None:
        """Remove all that a run writes."""
        self.tidy()
        for folder in (self.model, self.samples, self.tensorboard, self.wandb, self.levels):
            shutil.rmtree(folder, ignore_errors=True)
        checkpoints = self.checkpoint, self.good_checkpoint
        for path in (self.log, self.csv, self.wandb_state, *checkpoints, self._record):
            path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in the folder while the block runs. Reading is possible.

        Raises:
            InUseError: Another process trains in it.
            FileError: The system does not let files be written there.
        """
        busy = f"another process is training in {self.path}; wait until it has finished, or stop it first"
        with hold(self._lock, busy):
            try:
                yield
            finally:
                # While it is held; filelock notices if the file that it has locked is gone.
                with suppress(OSError):
                    self._lock.unlink(missing_ok=True)

    def _refuse_what_is_there(self) -> None:
        try:
            if self._record.is_file():
                raise SavedModelError(
                    f"{self.path} holds a run already. Choose another folder, "
                    f"or go on with that run: flowzoo train --resume --out {word(self.path)}"
                )
            if self.path.is_dir():
                empty = all(path == self._lock for path in self.path.iterdir())
            else:
                empty = not self.path.exists()
        except OSError as error:
            raise FileError(
                f"cannot use {self.path}: {error.strerror or error}; choose another folder"
            ) from error
        if not empty:
            raise SavedModelError(f"{self.path} exists and is not an empty folder; choose another one")

    def tidy(self) -> None:
        """Remove incomplete files of a killed process."""
        for path in self.path.glob(".*.part"):
            path.unlink()
        for path in self.path.glob(".model.*.draft"):
            shutil.rmtree(path)

    def load_model(
        self, device: str | torch.device = "cpu", registry: Registry | None = None, *, check: bool = True
    ) -> Flow:
        """Return the best model so far; arguments as in :func:`~flowzoo.registry.saving.load_model`.

        Raises:
            SavedModelError: The folder holds no run, or no model yet; or as
                :func:`~flowzoo.registry.saving.load_model`.
        """
        record = self.read()
        try:
            return load_model(self.model, device, registry, check=check)
        except SavedModelError:
            if record.status == "running" and not self.model.exists():
                raise SavedModelError(self._no_model_yet(record)) from None
            raise

    def _no_model_yet(self, record: RunRecord) -> str:
        first = record.first_validation
        in_steps = record.experiment.budget.steps is not None
        reached = record.steps if in_steps else record.seconds
        if first is None:
            when = "it is kept when training has finished"
        elif reached >= first:
            when = f"no validation so far gave a finite figure ({self.log} has them)"
        elif in_steps:
            when = f"the first validation is at step {first:g}"
        else:
            when = f"the first validation is after {first:.0f} s of training"
        return (
            f"{self.path} has no model yet: {when}; wait for it, "
            f"or go on with training that has stopped: flowzoo train --resume --out {word(self.path)}"
        )

    def is_training(self) -> bool:
        """Whether a process trains in the folder now."""
        return is_held(self._lock)

    def has_record(self) -> bool:
        """Whether the folder holds a run's record; it comes soon after training begins."""
        return self._record.is_file()

    def write(self, record: RunRecord) -> None:
        """Write the record."""
        write_json(self._record, _RECORD.dump_python(record, mode="json"))

    def read(self) -> RunRecord:
        """Return the record.

        Raises:
            SavedModelError: There is no record, or it is damaged or of another version.
        """
        try:
            if not self._record.is_file():
                raise SavedModelError(
                    f"{self.path} is not a run folder (it has no run.json); "
                    "make one with: flowzoo train MODEL --data NAME --out RUN"
                )
            return FORMAT.read_file(self._record, _RECORD)
        except FormatError as error:
            raise SavedModelError(f"{self._record} {error}") from error
        except OSError as error:
            raise SavedModelError(
                f"cannot read {self._record}: {error.strerror or error}; give a run folder that you may read"
            ) from error
