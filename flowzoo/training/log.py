"""The run folder's own log: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flowzoo.files import append_line, write_atomically


class TrainingLog:
    """Appends records to a JSONL file.

    Args:
        path: The file, which is made when the first record is written.
        also: Called with each record that was added.
    """

    def __init__(self, path: Path, also: Callable[[dict[str, Any]], object] | None = None) -> None:
        self.path = path
        self._also = also

    def append(self, record: dict[str, Any]) -> None:
        """Add one record.

        Raises:
            FileError: It cannot be written; the records before it stay.
        """
        append_line(self.path, json.dumps(record, allow_nan=False))
        if self._also is not None:
            self._also(record)

    def read(self) -> list[dict[str, Any]]:
        """Return the records up to the first line that is damaged, such as a last one that was cut short."""
        if not self.path.exists():
            return []
        records: list[dict[str, Any]] = []
        for line in self.path.read_bytes().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                break
            if not isinstance(record, dict) or not isinstance(record.get("step"), int):
                break
            records.append(record)
        return records

    def rewind(self, step: int) -> None:
        """Drop the records of later steps, which are about to be trained again."""
        self.write([record for record in self.read() if record["step"] <= step])

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Put records in place of all that there are.

        Raises:
            FileError: They cannot be written; the records before stay.
        """
        text = "".join(json.dumps(record) + "\n" for record in records)
        write_atomically(self.path, text.encode())
