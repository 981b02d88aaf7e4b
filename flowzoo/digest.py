"""Digests of plain data and of files: the same content gives the same digest, on every machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def digest_of(data: Any, digits: int = 64, *, compact: bool = False) -> str:
    """Return a SHA-256 digest of plain data, in hexadecimal digits.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    >>> digest_of([1], digits=16)
    '080a9ed428559ef6'

    Args:
        data: Anything that JSON can hold; the order of a mapping's keys does not matter.
        digits: Length of the digest, at most 64.
        compact: Whether the JSON that is digested has no spaces.
    """
    text = json.dumps(data, sort_keys=True, default=dict, separators=(",", ":") if compact else None)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
