"""What differs between two cells apart from their figures, in short."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowzoo.bench.report.facts import flat
from flowzoo.bench.result import Result

UNTOLD = "key differs, though nothing that is told here does"


def differences(first: Result, second: Result) -> tuple[str, ...]:
    """Return ``options.levels: 2 -> 3`` for each setting, condition or version that is not the same in both.

    >>> from dataclasses import replace
    >>> from flowzoo.bench.result import DataFacts, Spent
    >>> from flowzoo.experiment.budget import Budget
    >>> from flowzoo.experiment.experiment import Experiment
    >>> asked = Experiment("glow", "digits", Budget(steps=5), options={"levels": 2})
    >>> one = Result("key", "quick", "glow", asked, "finished", "", {}, 1, DataFacts("digits"), Spent())
    >>> differences(one, replace(one, key="other", experiment=replace(asked, options={"levels": 3})))
    ('options.levels: 2 -> 3',)
    """
    ours, theirs = dict(flat(_told(first))), dict(flat(_told(second)))
    found = tuple(
        f"{name}: {ours.get(name, 'none')} -> {theirs.get(name, 'none')}"
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name) != theirs.get(name)
    )
    return found or ((UNTOLD,) if first.key != second.key else ())


def _told(cell: Result) -> dict[str, Any]:
    environment = cell.environment
    where: dict[str, Any] = {}
    if environment is not None:
        where = {
            "device": environment.device,
            "precision": environment.precision,
            "threads": environment.threads,
            "jobs": environment.jobs,
            "hardware": environment.hardware,
            "versions": environment.versions,
            "plugins": environment.plugins,
            "commit": environment.commit,
        }
    return {
        "model": cell.model,
        "parameters": cell.parameters,
        "options": cell.options,
        "pixels": cell.pixels,
        "training": cell.training,
        "components": cell.components,
        "budget": cell.budget,
        "shape": "x".join(map(str, cell.data.shape)),
        "bins": cell.data.bins,
        **where,
        **{name: _settings(measured.conditions) for name, measured in cell.metrics.items()},
    }


def _settings(conditions: Mapping[str, Any]) -> dict[str, Any]:
    # Nested conditions, such as the audit, are figures again.
    return {name: value for name, value in conditions.items() if not isinstance(value, Mapping)}
