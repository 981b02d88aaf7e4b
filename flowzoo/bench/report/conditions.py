"""Conditions of measurements, which decide whether figures may be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flowzoo.bench.result import QUALITY as QUALITY
from flowzoo.bench.result import Result

CONDITIONS = ("split", "images", "unit")
"""The conditions that must be equal to compare two likelihoods: two conditions, and the unit.

The dequantisation need not be equal: the figure is a bound on the likelihood of the integers with any.
"""

TARGET = "bits_per_dim"
"""The condition that states the target of a metric, such as bits/dim to reach."""

Conditions = tuple[str, ...]
"""A value for each of :data:`CONDITIONS`; empty if it is not stated."""


def conditions_of(cell: Result) -> Conditions:
    """Return the conditions under which a cell's likelihood was measured."""
    measured = cell.metrics.get(QUALITY)
    if measured is None or measured.value is None:
        return ("",) * len(CONDITIONS)
    given = {**measured.conditions, "unit": measured.unit}
    return tuple(str(given.get(name, "")) for name in CONDITIONS)


def other_conditions(ours: Conditions, usual: Conditions) -> str:
    """Return the conditions that differ from the usual ones.

    >>> other_conditions(("test", "100", "bits/dim"), ("test", "297", "bits/dim"))
    'images: 100, not 297'
    """
    return "; ".join(
        f"{name}: {mine or 'unknown'}{f', not {theirs}' if theirs else ''}"
        for name, mine, theirs in zip(CONDITIONS, ours, usual, strict=True)
        if mine != theirs
    )


def stated(cells: Iterable[Result], metric: str, condition: str) -> list[str]:
    """Return the values of a metric's condition in all cells that have a figure, each once and none empty."""
    return list(dict.fromkeys(value for value in _values(cells, metric, condition) if value))


def own_targets(cells: Iterable[Result]) -> frozenset[str]:
    """Return the metrics whose targets differ between cells."""
    cells = list(cells)
    metrics = {name for cell in cells for name in cell.metrics}
    return frozenset(name for name in metrics if len(stated(cells, name, TARGET)) > 1)


def _values(cells: Iterable[Result], metric: str, condition: str) -> Iterator[str]:
    for cell in cells:
        measured = cell.metrics.get(metric)
        if measured is not None and measured.value is not None:
            yield str(measured.conditions.get(condition, ""))
