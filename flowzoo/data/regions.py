"""Images that are regions of a few large photographs: only what is asked for is read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from flowzoo.data.dataset import ImageSource
from flowzoo.errors import OptionError
from flowzoo.shapes import IntegerImages

Pixels = NDArray[np.uint8]
"""A photograph, ``(H, W, 3)``."""

MOST = 2_000_000
"""Regions that a split can have: finding those of a single colour takes a minute for so many."""


class Place(NamedTuple):
    """Where a region lies.

    Attributes:
        photograph: Number of its photograph.
        top: Its first row.
        left: Its first column.
    """

    photograph: int
    top: int
    left: int


class Photographs:
    """Photographs that lie in memory, or in files of numpy's format of which only the used parts are read.

    Args:
        photographs: The pixels of each, or its file.
    """

    def __init__(self, photographs: Sequence[Pixels | Path]) -> None:
        self._photographs = photographs
        self._open: dict[int, Pixels] = {}

    def __len__(self) -> int:
        return len(self._photographs)

    def __getitem__(self, index: int) -> Pixels:
        found = self._photographs[index]
        if not isinstance(found, Path):
            return found
        if index not in self._open:
            self._open[index] = np.load(found, mmap_mode="r", allow_pickle=False)
        return self._open[index]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is open: another process opens the files itself."""
        return {**self.__dict__, "_open": {}}


class Regions(ImageSource):
    """Regions of one size of photographs.

    Args:
        photographs: What they lie in.
        places: Where, in the images' order.
        size: Height and width.

    Attributes:
        size: Height and width.
    """

    def __init__(self, photographs: Photographs, places: Sequence[Place], size: tuple[int, int]) -> None:
        self._photographs = photographs
        self._places = places
        self.size = size

    def __len__(self) -> int:
        return len(self._places)

    def take(self, indices: Sequence[int]) -> IntegerImages:
        return torch.from_numpy(np.stack([self._region(self._places[index]) for index in indices]))

    def reordered(self, order: Sequence[int]) -> Regions:
        """Return the same regions in another order, or some of them."""
        return Regions(self._photographs, [self._places[index] for index in order], self.size)

    def several_colours(self) -> Regions:
        """Return the regions that are not of a single colour."""
        regions = (self._region(place) for place in self._places)
        return self.reordered(
            [place for place, pixels in enumerate(regions) if (pixels != pixels[:, :1, :1]).any()]
        )

    def digest(self, head: str) -> str:
        """Return a short hash of ``head``, of where the regions lie, and of all pixels of the photographs."""
        digest = hashlib.sha256(f"{head}:{[tuple(each) for each in self._places]}".encode())
        for number in sorted({each.photograph for each in self._places}):
            digest.update(np.ascontiguousarray(self._photographs[number]).data)
        return digest.hexdigest()[:16]

    def _region(self, place: Place) -> NDArray[np.uint8]:
        """Return the ``(3, height, width)`` pixels of a region."""
        rows, columns = (slice(at, at + side) for at, side in zip(place[1:], self.size, strict=True))
        return self._photographs[place.photograph][rows, columns].transpose(2, 0, 1)


def in_grid(photographs: Photographs, size: tuple[int, int], begin: int) -> Regions:
    """Return the regions that lie on a grid in the middle of each photograph, row by row.

    Args:
        photographs: What they lie in.
        size: Height and width of a region, at most those of a photograph.
        begin: How many regions begin along one side of a region: one where they do not overlap.

    Raises:
        OptionError: There are more than :data:`MOST` of them.
    """
    grids = [_grid(photographs[number].shape, size, begin) for number in range(len(photographs))]
    count = sum(len(rows) * len(columns) for rows, columns in grids)
    if count > MOST:
        raise OptionError(
            f"the photographs have {count:,} patches of {size[0]}x{size[1]}, and a data set can have at most "
            f"{MOST:,}. Give a larger size or a smaller short_side"
        )
    places = [
        Place(number, top, left)
        for number, (rows, columns) in enumerate(grids)
        for top in rows
        for left in columns
    ]
    return Regions(photographs, places, size)


def _grid(shape: tuple[int, ...], size: tuple[int, int], begin: int) -> tuple[range, range]:
    """Return the first rows and the first columns of the regions of a photograph."""
    rows, columns = (
        range((have - side) % (side // begin) // 2, have - side + 1, side // begin)
        for have, side in zip(shape, size, strict=False)
    )
    return rows, columns
