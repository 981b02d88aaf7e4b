"""Pictures of samples as part of a page."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from flowzoo.bench.report.leaderboard import Leaderboard
from flowzoo.bench.report.row import Row
from flowzoo.bench.store import Results

LARGEST = 4 * 2**20
"""Bytes of a picture; a page holds dozens of them."""


@dataclass(frozen=True)
class Sample:
    """A row's picture.

    Attributes:
        name: The row's.
        row: The row.
        uri: The picture as a ``data:`` URI; empty if it cannot be shown.
        remark: Why not, or of which seed it is.
    """

    name: str
    row: Row
    uri: str
    remark: str


def samples_of(board: Leaderboard, results: Results) -> Iterator[Sample]:
    """Yield the picture of each row's first cell that names one, in the order of the rows."""
    for row in board.rows:
        cell = next((each for each in row.cells if each.samples), None)
        if cell is None:
            continue
        path = results.picture(cell)
        if path is None:
            yield Sample(board.name(row), row, "", "the picture is not beside the result")
            continue
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        if not content.startswith(_PNG):
            yield Sample(board.name(row), row, "", "the file is no PNG picture")
        elif len(content) > LARGEST:
            yield Sample(board.name(row), row, "", f"the picture is larger than {LARGEST // 2**20} MiB")
        else:
            uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
            yield Sample(board.name(row), row, uri, f"seed {cell.seed}")


_PNG = b"\x89PNG\r\n\x1a\n"
