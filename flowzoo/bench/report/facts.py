"""The facts of a record as names and texts, and the differences of two records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowzoo.bench.report.wording import clean
from flowzoo.bench.result import Result

Facts = list[tuple[str, str]]

LONGEST = 12
"""A longer list, such as a curve, is replaced by its length."""

KEY_ALONE = "the keys differ, but all recorded facts are the same"

_SHOWN = ("suite", "label", "status", "published", "failure", "samples", "schema")
"""Fields that a report shows in another place."""


def facts_of(cell: Result) -> Iterator[tuple[str, Facts]]:
    """Yield headings with facts below them; those without any are left out."""
    plain = {name: value for name, value in cell.plain().items() if name not in _SHOWN}
    metrics = plain.pop("metrics")
    groups = {name: value for name, value in plain.items() if isinstance(value, Mapping)}
    yield "cell", flat({name: value for name, value in plain.items() if name not in groups})
    for name, value in [*groups.items(), *sorted(metrics.items())]:
        if found := flat(value):
            yield name, found


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
    ours, theirs = dict(flat(_settings(first))), dict(flat(_settings(second)))
    found = tuple(
        f"{name}: {ours.get(name, 'none')} -> {theirs.get(name, 'none')}"
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name) != theirs.get(name)
    )
    return found or ((KEY_ALONE,) if first.key != second.key else ())


def _settings(cell: Result) -> dict[str, Any]:
    """Return all facts that may explain why figures differ, without the figures."""
    plain = cell.plain()
    names = ("model", "parameters", "options", "pixels", "training", "components")
    kept = {name: getattr(cell, name) for name in names} | {"budget": cell.budget}
    data = {name: getattr(cell.data, name) for name in ("shape", "bins")}
    where = {name: value for name, value in (plain["environment"] or {}).items() if name != "fingerprints"}
    # Nested conditions, such as the audit, are figures too.
    measured = {
        name: {key: value for key, value in each.conditions.items() if not isinstance(value, Mapping)}
        for name, each in cell.metrics.items()
    }
    return kept | data | where | measured


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
        elif value is not None and value not in ("", [], ()):
            found.append((name, clean(_text(value))))
    return found


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) if len(value) <= LONGEST else f"{len(value)} entries"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"
    return str(value)
