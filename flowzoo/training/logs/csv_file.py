"""``RUN/log.csv``: a row for each logged step."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from flowzoo.files import writing
from flowzoo.training.logs.values import COLUMNS
from flowzoo.training.logs.writer import LogWriter, Opening


class CsvFile(LogWriter):
    """Writes a CSV file with a header. What a step has no value of is empty.

    A row is in the file as soon as it is written. If more values of the same step come, it is written again.

    Args:
        opening: Where the file goes. One that is there is written from the start.

    Raises:
        FileError: The file cannot be written.
    """

    def __init__(self, opening: Opening) -> None:
        self._folder = opening.folder.path
        self._path = opening.folder.csv
        self._step = -1
        self._begin = 0
        self._row: dict[str, float | str] = {}
        with writing(self._path):
            self._file = self._path.open("wb", buffering=0)
            self._put(["step", *COLUMNS, "samples"])

    def write(self, step: int, values: Mapping[str, float | str]) -> None:
        with writing(self._path):
            if step == self._step:
                self._file.seek(self._begin)
            else:
                self._step, self._row, self._begin = step, {}, self._file.tell()
            self._row.update(values)
            try:
                self._put([step, *(self._row.get(name, "") for name in (*COLUMNS, "samples"))])
            except OSError:
                self._file.truncate(self._begin)  # no half of a row
                raise

    def picture(self, step: int, name: str, path: Path) -> None:
        self.write(step, {name: str(path.relative_to(self._folder))})

    def close(self) -> None:
        self._file.close()

    def _put(self, cells: list[float | str]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(cells)
        content = text.getvalue().encode()
        while content:
            content = content[self._file.write(content) :]
        self._file.truncate()
