"""Numbers of any library: recognises integers, and nothing that only looks like one."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

from flowzoo.errors import OptionError

MOST = 2**53
"""Largest integer that counts of steps and images may be: floats hold all up to it exactly."""


def as_integer(value: Any) -> int | None:
    """Return Python's own int for an integer of NumPy, torch or Python; None for anything else.

    Truth values are not integers here, and neither are floats such as 3.0.

    >>> import numpy as np
    >>> as_integer(np.int64(3)), as_integer(3.0), as_integer(True), as_integer(np.True_)
    (3, None, None, None)
    """
    if type(value) is int:  # most are
        return value
    if _is_truth(value):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def positive_integer(name: str, value: Any) -> int:
    """Return a count as Python's own int.

    Args:
        name: What to call it in the error.
        value: An integer of any library.

    Raises:
        OptionError: It is something else, or less than 1.
    """
    found = as_integer(value)
    if found is None or found < 1:
        raise OptionError(f"{name} is {value!r:.40}; give an integer of at least 1")
    return found


def positive_number(name: str, value: Any) -> float:
    """Return a finite number above 0, such as a number of seconds, as Python's own.

    Args:
        name: What to call it in the error.
        value: A number of any library.

    Raises:
        OptionError: It is something else.
    """
    found = plain_number(value)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < math.inf:
        raise OptionError(f"{name} is {value!r:.40}; give a finite number above 0")
    return found


def plain_number(value: Any) -> Any:
    """Return a number of another library as Python's own, and anything else as it is.

    >>> import numpy as np
    >>> plain_number(np.int64(3)), plain_number(np.float32(0.5)), plain_number("3")
    (3, 0.5, '3')
    """
    if _is_truth(value):
        return bool(value)
    integer = as_integer(value)
    if integer is not None:
        return integer
    return float(value) if isinstance(value, numbers.Real) else value


def _is_truth(value: Any) -> bool:
    # By name: NumPy and torch, whose truth values are no subclasses of bool, need not be imported for it.
    return isinstance(value, bool) or str(getattr(value, "dtype", "")).removeprefix("torch.") == "bool"
