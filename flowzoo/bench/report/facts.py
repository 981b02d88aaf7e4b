"""All that is known of how a cell was made and measured, as names and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowzoo.bench.report.wording import clean
from flowzoo.bench.result import Result

Facts = list[tuple[str, str]]

LONGEST = 12
"""Longer lists, such as curves, are told by their length."""


def facts_of(cell: Result) -> Iterator[tuple[str, Facts]]:
    """Yield headings with facts below them; those without any are left out."""
    spent = cell.spent
    budget = {name: value for name, value in cell.budget.items() if value is not None}
    yield (
        "training",
        flat({"seed": cell.seed, "budget": budget, "steps": spent.steps, "seconds": round(spent.seconds, 3)})
        + flat({"batch size": spent.batch_size, "ended": cell.date, "key": cell.key})
        + flat(cell.training),
    )
    model = {"name": cell.model, "parameters": cell.parameters, **cell.options, "pixels": cell.pixels}
    yield "model", flat(model)
    if cell.components:
        yield "revisions of components", flat(cell.components)
    environment = cell.environment
    if environment is not None:
        plain = {
            "device": environment.device,
            "precision": environment.precision,
            "threads": environment.threads,
            "cells at the same time": environment.jobs,
            **environment.hardware,
            **environment.versions,
            **environment.plugins,
            "commit": environment.commit,
        }
        yield "environment", flat(plain)
    for name, measured in sorted(cell.metrics.items()):
        stated = {
            "figure": measured.value,
            "unit": measured.unit,
            "error": measured.error,
            "repeats": measured.repeats,
            "valid": measured.valid,
            "objections": list(measured.objections),
        }
        yield name, flat(stated) + flat(measured.conditions) + flat(measured.details)


def flat(mapping: Mapping[str, Any], before: str = "") -> Facts:
    """Return nested plain data as dotted names and texts, leaving out what is empty.

    >>> flat({"a": {"b": 1, "c": None}, "d": [1, 2], "e": False})
    [('a.b', '1'), ('d', '1, 2'), ('e', 'no')]
    """
    found: Facts = []
    for key, value in mapping.items():
        name = clean(f"{before}{key}", 80)
        if isinstance(value, Mapping):
            found += flat(value, f"{name}.")
        elif isinstance(value, bool):
            found.append((name, "yes" if value else "no"))
        elif isinstance(value, list | tuple):
            if value:
                found.append((name, _list(value)))
        elif value is not None and value != "":
            found.append((name, clean(_scalar(value))))
    return found


def _list(values: list[Any] | tuple[Any, ...]) -> str:
    if len(values) > LONGEST:
        return f"{len(values)} entries"
    return clean(", ".join(_scalar(each) for each in values))


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"
    return str(value)
