"""Seeds: the one place where they are checked."""

from __future__ import annotations

from flowzoo.errors import OptionError

_END = 2**63


def check_seed(seed: int) -> int:
    """Return a seed that torch's generators take.

    >>> check_seed(3)
    3

    Args:
        seed: An int, ``0 <= seed < 2**63``.

    Raises:
        OptionError: It is something else.
    """
    if type(seed) is not int or not 0 <= seed < _END:
        raise OptionError(f"the seed is {seed!r:.40}; give an int from 0 to 2**63 - 1")
    return seed
