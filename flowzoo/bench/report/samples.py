"""Pictures of samples as part of a page."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flowzoo.bench.report.leaderboard import Leaderboard
from flowzoo.bench.report.row import Row
from flowzoo.bench.store import Results

LARGEST = 4 * 2**20
"""Largest size of a picture in bytes; a page contains dozens of pictures."""

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Sample:
    """A row's picture.

    Attributes:
        name: Name of the row.
        row: The row.
        uri: The picture as a ``data:`` URI; empty if it cannot be shown.
        remark: Why it cannot be shown, or the seed of the cell that drew it.
    """

    name: str
    row: Row
    uri: str
    remark: str


def samples_of(board: Leaderboard, results: Results) -> Iterator[Sample]:
    """Yield the picture of each row's first cell that names one, in the order of the rows."""
    for row in board.rows:
        cell = next((each for each in row.cells if each.samples), None)
        if cell is not None:
            uri, remark = uri_of(results.picture(cell))
            yield Sample(board.name(row), row, uri, remark or f"seed {cell.seed}")


def uri_of(path: Path | None) -> tuple[str, str]:
    """Return a picture's ``data:`` URI, or the reason why there is none."""
    if path is None:
        return "", "the picture is not beside the result"
    try:
        content = path.read_bytes()
    except OSError:
        content = b""
    if not content.startswith(_PNG):
        return "", "the file is no PNG picture"
    if len(content) > LARGEST:
        return "", f"the picture is larger than {LARGEST // 2**20} MiB"
    return f"data:image/png;base64,{base64.b64encode(content).decode()}", ""
