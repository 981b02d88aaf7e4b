"""The run folder: what training writes, and what evaluation and sampling read.

RUN/run.json               what was asked for and how far it got
RUN/model/                 the best model so far, as a saved model
RUN/log.jsonl              training losses and validation figures
RUN/checkpoint.safetensors what training needs to go on after an interruption
RUN/.lock                  held by the process that trains; there while it does
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import TypeAdapter, ValidationError

from flowzoo.errors import FileError, SavedModelError
from flowzoo.files import make_folder, write_json
from flowzoo.flow import Flow
from flowzoo.locks import hold
from flowzoo.registry.lookup import Registry
from flowzoo.registry.provenance import Provenance
from flowzoo.registry.saving import load_model
from flowzoo.shell import word

FORMAT = 1

NEW_RUN = "start a new run"
"""What is left to do with a run that cannot go on."""


@dataclass(frozen=True)
class DataReport:
    """What was found in a run's data set when training began; empty in records of older versions.

    Attributes:
        sizes: How many images each split held.
        revisions: Content hash of each split; empty where the data set states none.
        skipped: How many files were passed over, for each reason.
        changed: How many images' values were changed on the way from their files, for each kind of change.
        shared: How many images of one split are in another one too, by ``"test in train"``.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    revisions: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)
    shared: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RunRecord:
    """What a run was asked to do, as plain data.

    Attributes:
        model: Registered name.
        options: The model's options, all of them: defaults that change later change nothing here.
        pixels: The pixel transform, likewise.
        data: Registered name of the data set.
        data_options: Its options; those that say where files are hold absolute paths.
        data_revision: Its content hash.
        training: All options of the trainer.
        budget: ``{"steps": ..., "seconds": ...}``, one of them None.
        seed: Of weights, noise and order of the data.
        status: Whether the budget was used up.
        steps: Taken so far.
        seconds: Spent so far.
        first_validation: When the first model is there to be kept, in the budget's unit; None where none is
            kept before the end, or unknown.
        format: Version of this record.
        data_report: What was found in the data set when training began.
        provenance: Revisions and versions of what it was last trained with; None in records from before this
            was kept.
        earlier_versions: Of what it was trained with before, where it was resumed with others.
    """

    model: str
    options: Mapping[str, Any]
    pixels: Mapping[str, Any]
    data: str
    data_options: Mapping[str, Any]
    data_revision: str
    training: Mapping[str, Any]
    budget: Mapping[str, Any]
    seed: int
    status: Literal["running", "finished"] = "running"
    steps: int = 0
    seconds: float = 0.0
    first_validation: float | None = None
    format: int = FORMAT
    data_report: DataReport = field(default_factory=DataReport)
    provenance: Provenance | None = None
    earlier_versions: tuple[Mapping[str, str], ...] = ()

    @property
    def fingerprint(self) -> str:
        """A digest of what decides the weights but the budget: no run goes on under another one."""
        asked = asdict(self)
        # The data set's options are where its files are and what its revision tells.
        # Revisions are compared one by one, so that what differs can be named.
        for left_out in (
            *("budget", "data_options", "data_report", "provenance", "earlier_versions"),
            *("status", "steps", "seconds", "first_validation", "format"),
        ):
            del asked[left_out]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


class RunFolder:
    """Paths and record of a run.

    Args:
        path: Of the folder.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.model = self.path / "model"
        self.log = self.path / "log.jsonl"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self._record = self.path / "run.json"
        self._lock = self.path / ".lock"

    @contextmanager
    def created(self) -> Iterator[None]:
        """Make the folder, and keep every other process from training in it while the block runs.

        Raises:
            SavedModelError: Something that is no empty folder stands there already.
            InUseError: Another process has just made it, and trains.
            FileError: The folder cannot be made.
        """
        self._refuse_what_is_there()
        make_folder(self.path)
        with self.locked():
            self._refuse_what_is_there()  # by a process that was faster
            yield

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from training in the folder while the block runs; reading goes on.

        Raises:
            InUseError: Another process trains in it.
            FileError: The system does not let files be written there.
        """
        busy = f"another process is training in {self.path}; wait until it has finished, or stop it first"
        with hold(self._lock, busy):
            try:
                yield
            finally:
                # While it is held; filelock notices where the file that it has locked is gone.
                with suppress(OSError):
                    self._lock.unlink(missing_ok=True)

    def _refuse_what_is_there(self) -> None:
        try:
            if self._record.is_file():
                raise SavedModelError(
                    f"{self.path} holds a run already; "
                    "add --resume to go on with it, or choose another folder"
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
            raise SavedModelError(f"{self.path} is there and is no empty folder; choose another")

    def tidy(self) -> None:
        """Remove what a killed process left half-written."""
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
        in_steps = record.budget.get("steps") is not None
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

    def write(self, record: RunRecord) -> None:
        """Write the record."""
        write_json(self._record, asdict(record))

    def read(self) -> RunRecord:
        """Return the record.

        Raises:
            SavedModelError: There is none, or it is damaged or of another version.
        """
        try:
            if not self._record.is_file():
                raise SavedModelError(
                    f"{self.path} is not a run folder (it has no run.json); "
                    "make one with: flowzoo train MODEL --data NAME --out RUN"
                )
            data = json.loads(self._record.read_text(encoding="utf-8"))
            found = data["format"]
            if found != FORMAT:
                raise SavedModelError(
                    f"{self._record} has format {found}, and this flowzoo reads {FORMAT}; upgrade flowzoo"
                )
            return TypeAdapter(RunRecord).validate_python(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise SavedModelError(
                f"{self._record} is damaged ({where}: {first['msg']}); train again"
            ) from error
        except OSError as error:
            raise SavedModelError(
                f"cannot read {self._record}: {error.strerror or error}; give a run folder that you may read"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise SavedModelError(f"{self._record} is damaged ({error}); train again") from error
