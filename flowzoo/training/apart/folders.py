"""Where the levels of a run are while they train apart: ``RUN/levels/``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from flowzoo.files import make_folder
from flowzoo.runfolder import RunFolder
from flowzoo.training.log import TrainingLog


class LevelFolders:
    """Files of the levels of a run that trains them apart.

    Args:
        run: The run.

    Attributes:
        path: The folder of all of them, which is there while the run is not finished.
        beginning: The model after the first pass over the data.
    """

    def __init__(self, run: RunFolder) -> None:
        self.path = run.levels
        self.beginning = self.path / "beginning.safetensors"

    def of(self, place: int) -> RunFolder:
        """Return the folder of a level: a run folder without a record."""
        return RunFolder(self.path / str(place))

    def output(self, place: int) -> Path:
        """Return the file for what the process of a level prints."""
        return self.path / f"{place}.txt"

    @property
    def trained(self) -> bool:
        """Whether a level has saved anything."""
        return any(self.path.glob("*/checkpoint.safetensors"))

    def logs(self) -> list[list[dict[str, Any]]]:
        """Return what the logs of the levels hold so far, of those that have logged anything."""
        found = (TrainingLog(RunFolder(each.parent).log).read() for each in self.path.glob("*/log.jsonl"))
        return sorted(filter(None, found), key=lambda records: str(records[0].get("stage")))

    def make(self, places: list[int]) -> None:
        """Make the folders of some levels.

        Raises:
            FileError: They cannot be made.
        """
        for place in places:
            make_folder(self.of(place).path)

    def remove(self) -> None:
        """Remove all of them."""
        shutil.rmtree(self.path, ignore_errors=True)
