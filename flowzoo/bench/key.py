"""Keys: digests that change whenever what they stand for does."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def hash_of(data: Any) -> str:
    """Return a short digest of plain data.

    >>> hash_of({"a": 1, "b": 2}) == hash_of({"b": 2, "a": 1})
    True
    """
    text = json.dumps(data, sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
