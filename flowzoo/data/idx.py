"""Reader of IDX files, the format of MNIST and its relatives."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowzoo.errors import DataError

_UNSIGNED_BYTES = 0x08


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Read an array of unsigned bytes from an IDX file, compressed by gzip or not.

    The file starts with two zero bytes, the type (0x08), the number of dimensions, and each dimension's size
    as a big-endian 32-bit integer; the values follow, the last dimension varying fastest.

    Args:
        path: The file; compressed if its name ends in ``.gz``.
        dimensions: Number of dimensions that it must have: 3 for grey images, 1 for labels.

    Raises:
        DataError: The file is missing, damaged, cut short or something else.

    References:
        LeCun, Cortes and Burges, "The MNIST database of handwritten digits".
    """
    content = _read_bytes(path)
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise _damaged(path, f"{len(content)} bytes are too few for an IDX file")
    if content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTES:
        raise _damaged(
            path, f"it starts with {content[:4].hex(' ')}, and an IDX file of unsigned bytes does not"
        )
    if content[3] != dimensions:
        raise _damaged(path, f"it has {content[3]} dimension(s), expected {dimensions}")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", dimensions, offset=4))
    found, expected = len(content) - header, math.prod(shape)
    if found != expected:
        raise _damaged(path, f"it holds {found} of the {expected} values that its header states")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _read_bytes(path: Path) -> bytes:
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                return file.read()
        return path.read_bytes()
    except (EOFError, zlib.error, OSError) as reason:
        raise _damaged(path, str(reason)) from reason


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(f"cannot read {path}: {problem}. Download the file again")
