"""Which settings of several runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowzoo.runfolder import RunRecord

ABSENT = "-"
"""Stands for a setting that a run does not have."""


def differing_settings(records: Sequence[RunRecord]) -> dict[str, tuple[Any, ...]]:
    """Return the settings that are not the same in all runs, each with its value in every run.

    Names are dotted, as ``--set`` takes them.
    """
    flat = [dict(_flat(_settings(record))) for record in records]
    names = dict.fromkeys(name for each in flat for name in each)
    rows = {name: tuple(each.get(name, ABSENT) for each in flat) for name in names}
    return {name: values for name, values in rows.items() if any(value != values[0] for value in values)}


def _settings(record: RunRecord) -> Mapping[str, Any]:
    asked = record.experiment
    return {
        "model": asked.model,
        "data": {"name": asked.data, **asked.data_options, "revision": asked.data_revision},
        "pixels": asked.pixels,
        **asked.options,
        "training": asked.training.model_dump(),
        "budget": {unit: amount for unit, amount in asked.budget.plain().items() if amount is not None},
        "seed": asked.seed,
    }


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return leaves with their dotted names.

    >>> _flat({"levels": 2, "bijector": {"name": "glow"}})
    [('levels', 2), ('bijector.name', 'glow')]
    """
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{before}{name}.")
        else:
            found.append((f"{before}{name}", list(value) if isinstance(value, tuple) else value))
    return found
