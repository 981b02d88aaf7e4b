"""What a wrong log-determinant looks like: a sign, a factor, bits for nats, a constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

EXPLAINED = 0.02
"""Largest fraction of a discrepancy that an explanation may leave."""

_KNOWN: tuple[tuple[float, str], ...] = (
    (0.0, "it is always 0"),
    (-1.0, "the sign is wrong"),
    (1.0 / math.log(2.0), "looks like bits instead of nats"),
    (math.log(2.0), "looks like nats multiplied by log 2"),
    (0.5, "looks like a factor of 0.5"),
    (2.0, "looks like a factor of 2"),
)
"""Factors that result from common mistakes."""

_ROUND = 0.005
"""Relative distance within which a fitted factor counts as 1 over a whole number."""


def describe_discrepancy(found: Sequence[float], expected: Sequence[float], values: int | None = None) -> str:
    """Return what the difference between stated and true log-determinants looks like.

    >>> describe_discrepancy([-1.0, -2.5], [1.0, 2.5])
    'the sign is wrong'
    >>> describe_discrepancy([0.7, 1.9], [1.4, 3.8])
    'looks like a factor of 0.5'
    >>> describe_discrepancy([1.1, 2.7], [1.4, -3.8])
    ''

    Args:
        found: The stated values, one for each image, nats.
        expected: The correct values, in the same order.
        values: Number of values of an image, to recognise a mean over them.

    Returns:
        A phrase; empty if nothing simple explains the difference, or there is none.
    """
    pairs = list(zip(found, expected, strict=True))
    if not pairs or not all(math.isfinite(a) and math.isfinite(b) for a, b in pairs):
        return ""
    if _largest(pairs, lambda e: e) == 0.0:
        return ""
    if values is not None and values > 1 and _explains(pairs, lambda e: e / values):
        return "looks like a mean over the values instead of their sum"
    for factor, phrase in _KNOWN:
        if _explains(pairs, lambda e, by=factor: by * e):  # type: ignore[misc]  # the default binds it now
            return phrase
    return _fitted(pairs)


def _fitted(pairs: Sequence[tuple[float, float]]) -> str:
    """Return the explanation by a fitted constant or factor; both need images that differ."""
    if len(pairs) < 2:
        return ""
    offset = sum(a - b for a, b in pairs) / len(pairs)
    if _varies(pairs) and _explains(pairs, lambda e: e + offset):
        return f"looks like a constant of {offset:+.4g} nats"
    squares = sum(b * b for _, b in pairs)
    factor = sum(a * b for a, b in pairs) / squares if squares else 1.0
    if _varies(pairs) and _explains(pairs, lambda e: factor * e):
        return f"looks like a factor of {_rounded(factor):.4g}"
    return ""


def _varies(pairs: Sequence[tuple[float, float]]) -> bool:
    """Whether the expected values differ by more than the allowed unexplained part."""
    expected = [b for _, b in pairs]
    return max(expected) - min(expected) > 2 * EXPLAINED * _largest(pairs, lambda e: e)


def _explains(pairs: Sequence[tuple[float, float]], guess: Callable[[float], float]) -> bool:
    return _largest(pairs, guess) <= EXPLAINED * _largest(pairs, lambda e: e)


def _largest(pairs: Sequence[tuple[float, float]], guess: Callable[[float], float]) -> float:
    return max(abs(a - guess(b)) for a, b in pairs)


def _rounded(factor: float) -> float:
    inverse = round(1.0 / factor) if factor else 0
    return 1.0 / inverse if inverse and abs(factor * inverse - 1.0) < _ROUND else factor
