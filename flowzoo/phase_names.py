"""Names of phases: the name of a phase of a greedy stack begins with the part that trains in it."""

from __future__ import annotations

import re

_PARTS = re.compile(r"(?:part \d+, )+(?!part \d+(?:, |$))")


def own_name(name: str) -> str:
    """Return the name that a phase has in its own part, without the parts that it stands in.

    >>> own_name("part 2, flow-matching"), own_name("part 2"), own_name("flow-matching")
    ('flow-matching', 'part 2', 'flow-matching')
    """
    found = _PARTS.match(name)
    return name[found.end() :] if found else name
