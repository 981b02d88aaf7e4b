"""Checks mappings of names to values, as options are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowzoo.errors import OptionError


def names_to_values(values: Any, what: str) -> dict[str, Any]:
    """Return a mapping whose keys are text as a dict; an empty one for None.

    >>> names_to_values({"levels": 2}, "options")
    {'levels': 2}

    Args:
        values: The mapping.
        what: What to call it in the error.

    Raises:
        OptionError: It is something else.
    """
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        problem = f"got {type(values).__name__}"
    else:
        problem = ", ".join(f"the key {key!r:.40} is no text" for key in values if not isinstance(key, str))
    if problem:
        raise OptionError(f"{what} must be a mapping of names to values, such as 'levels: 2'; {problem}")
    return dict(values)
