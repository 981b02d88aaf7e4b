"""The run folder: what training writes, and what evaluation and sampling read.

RUN/run.json               what was asked for and how far it got
RUN/model/                 the best model so far, as a saved model
RUN/log.jsonl              training losses and validation figures
RUN/checkpoint.safetensors what training needs to go on after an interruption
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from flowzoo.errors import SavedModelError
from flowzoo.files import write_json

FORMAT = 1


@dataclass(frozen=True)
class RunRecord:
    """What a run was asked to do, as plain data.

    Attributes:
        model: Registered name.
        options: The model's options, as they were given.
        pixels: The pixel transform, a name or a mapping.
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
    """

    model: str
    options: Mapping[str, Any]
    pixels: Any
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
        """
        if self._record.exists():
            raise SavedModelError(
                f"{self.path} holds a run already; add --resume to go on with it, or choose another folder"
            )
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise SavedModelError(f"{self.path} is there and is no empty folder; choose another")
        self.path.mkdir(parents=True, exist_ok=True)

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
            return RunRecord(**data)
        except (ValueError, KeyError, TypeError) as error:
            raise SavedModelError(f"{self._record} is damaged ({error}); train again") from error
