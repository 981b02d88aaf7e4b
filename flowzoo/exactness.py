"""The exactness of a log-determinant, and of ``log p(x)``."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Exactness(StrEnum):
    """The exactness of a ``log_det``. The members are ordered: a larger one is less exact.

    * ``EXACT``: it is the log-determinant of the Jacobian.
    * ``UNBIASED``: it is an estimate whose expectation is the log-determinant, as Hutchinson's is.
    * ``BOUND``: it is ``-log q`` of a draw, so that the expectation of ``log p(x)`` is a lower bound.
    * ``NONE``: nothing is known of it, so figures that depend on it are never ranked.

    >>> Exactness.EXACT < Exactness.BOUND
    True
    """

    EXACT = "exact"
    UNBIASED = "unbiased"
    BOUND = "bound"
    NONE = "none"

    def __lt__(self, other: str) -> bool:
        return _rank(self) < _rank(other)

    def __le__(self, other: str) -> bool:
        return _rank(self) <= _rank(other)

    def __gt__(self, other: str) -> bool:
        return _rank(self) > _rank(other)

    def __ge__(self, other: str) -> bool:
        return _rank(self) >= _rank(other)


def worst(parts: Iterable[Exactness]) -> Exactness:
    """Return the exactness of a sum of log-determinants: that of the least exact part; exact without parts.

    >>> worst([Exactness.EXACT, Exactness.BOUND])
    <Exactness.BOUND: 'bound'>
    """
    return max(parts, default=Exactness.EXACT, key=_rank)


_RANKS: dict[str, int] = {each.value: place for place, each in enumerate(Exactness)}


def _rank(exactness: str) -> int:
    return _RANKS[exactness]
