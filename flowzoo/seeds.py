"""Checks seeds."""

from __future__ import annotations

from typing import SupportsIndex

from flowzoo.errors import OptionError
from flowzoo.integers import as_integer

_END = 2**63


def check_seed(seed: SupportsIndex) -> int:
    """Return a seed that torch's generators take, as Python's own int.

    >>> check_seed(3)
    3

    Args:
        seed: An integer of any library, ``0 <= seed < 2**63``.

    Raises:
        OptionError: It is something else.
    """
    found = as_integer(seed)
    if found is None or not 0 <= found < _END:
        raise OptionError(f"the seed is {seed!r:.40}; give an int from 0 to 2**63 - 1")
    return found
