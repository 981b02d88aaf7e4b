"""How exact a stated log-determinant is, and with it a stated ``log p(x)``."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Exactness(StrEnum):
    """What a stated ``log_det`` is worth. The members are ordered: a larger one is worth less.

    * ``EXACT``: it is the log-determinant of the Jacobian.
    * ``UNBIASED``: it is an estimate whose expectation is the log-determinant, as Hutchinson's is.
    * ``BOUND``: it is ``-log q`` of a draw, so that the expectation of ``log p(x)`` is a lower bound.
    * ``NONE``: nothing is known of it, so that no figure that rests on it may be ranked.

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
    """Return the exactness of a sum of log-determinants: that of its worst part; exact if there is none.

    >>> worst([Exactness.EXACT, Exactness.BOUND])
    <Exactness.BOUND: 'bound'>
    """
    return max(parts, default=Exactness.EXACT)


def _rank(exactness: str) -> int:
    return list(Exactness).index(Exactness(exactness))
