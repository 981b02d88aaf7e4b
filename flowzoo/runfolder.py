"""The run folder: what training writes, and what evaluation and sampling read.

RUN/run.json               what was asked for and how far it got
RUN/model/                 the best model so far, as a saved model
RUN/log.jsonl              training losses and validation figures
RUN/checkpoint.safetensors what training needs to go on after an interruption
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from flowzoo.errors import FileError, SavedModelError
from flowzoo.files import write_json
from flowzoo.registry.loader import default_registry
from flowzoo.registry.provenance import Provenance, refuse_revisions

FORMAT = 1

NEW_RUN = "start a new run"

_NOT_ASKED = ("budget", "data_options", "status", "steps", "seconds", "format")


@dataclass(frozen=True)
class RunRecord:
    """What a run was asked to do, as plain data.

    Attributes:
        model: Registered name.
        options: The model's options, all of them: defaults that change later change nothing here.
        pixels: The pixel transform, likewise.
        data: Registered name of the data set.
        data_options: Its options.
        data_revision: Its content hash.
        training: All options of the trainer.
        budget: ``{"steps": ..., "seconds": ...}``, one of them None.
        seed: Of weights, noise and order of the data.
        status: Whether the budget was used up.
        steps: Taken so far.
        seconds: Spent so far.
        format: Version of this record.
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
    format: int = FORMAT
    provenance: Provenance | None = None
    earlier_versions: tuple[Mapping[str, str], ...] = ()

    @property
    def fingerprint(self) -> str:
        """A digest of what decides the weights but the budget: no run goes on under another one."""
        asked = asdict(self)
        # The data set's options are where its files are and what its revision tells.
        # Revisions are compared one by one, so that what differs can be named.
        for left_out in (*_NOT_ASKED, "provenance", "earlier_versions"):
            del asked[left_out]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    def find_data(self, folder: Path) -> str:
        """Return the name under which the run's data set is found now.

        Args:
            folder: Of the run.

        Raises:
            SavedModelError: What brings it is not installed, or the component has another revision.
        """
        if self.provenance is None:
            return self.data
        key = f"dataset:{self.data}"
        recorded = self.provenance.only([key])
        registry = default_registry()
        refuse_revisions(recorded, registry, str(folder), "was trained", NEW_RUN)
        component = recorded.bind(registry).find("dataset", self.data)
        return registry.address(component)


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

    def create(self) -> None:
        """Make the folder.

        Raises:
            SavedModelError: Something that is no empty folder stands there already.
        FileError: The folder cannot be made.
        """
        if self._record.is_file():
            raise SavedModelError(
                f"{self.path} holds a run already; add --resume to go on with it, or choose another folder"
            )
        if _is_there(self.path) and (not self.path.is_dir() or any(self.path.iterdir())):
            raise SavedModelError(f"{self.path} is there and is no empty folder; choose another")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(
                f"cannot make the folder {self.path}: {error.strerror}; choose another"
            ) from error

    def tidy(self) -> None:
        """Remove what a killed process left half-written."""
        for path in self.path.glob(".*.part"):
            path.unlink()
        for path in self.path.glob(".model.*.draft"):
            shutil.rmtree(path)

    def write(self, record: RunRecord) -> None:
        """Write the record."""
        write_json(self._record, asdict(record))

    def read(self) -> RunRecord:
        """Return the record.

        Raises:
            SavedModelError: There is none, or it is damaged or of another version.
        """
        if not self._record.is_file():
            raise SavedModelError(
                f"{self.path} is not a run folder (it has no run.json); "
                "make one with: flowzoo train MODEL --data NAME --out RUN"
            )
        try:
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
        except (ValueError, KeyError, TypeError) as error:
            raise SavedModelError(f"{self._record} is damaged ({error}); train again") from error


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise FileError(f"cannot use {path}: {error.strerror}; choose another folder") from error
