"""Where and with what cells ran: which of it differs, and which rows therefore have speeds of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from flowzoo.bench.report.wording import clean
from flowzoo.bench.result import Environment, Result

SAME_MEMORY = 0.05
"""Memory that differs by no more than this part is the same: systems keep a little of it for themselves."""

T = TypeVar("T")

Facts = Mapping[str, str]

_NAMES = {"memory_gib": "memory in GiB", "gpu_memory_gib": "GPU memory in GiB", "gpu": "GPU"}


def machine_of(environment: Environment) -> Facts:
    """Return what decides how fast the same software is, by name."""
    running = {"threads": environment.threads, "cells at the same time": environment.jobs}
    return _texts({**environment.hardware, **running})


def software_of(environment: Environment) -> Facts:
    """Return versions by name, those of plugins included."""
    commit = {"commit of flowzoo": environment.commit or "none"}
    return _texts({**environment.plugins, **environment.versions, **commit})


def usual_facts(rows: Sequence[Sequence[Result]]) -> Facts:
    """Return the facts of the machine and the versions that most rows have; of several, of the newest row.

    Args:
        rows: The cells of each row.
    """
    found = [(place, cell) for place, row in enumerate(rows) for cell in row if cell.environment is not None]
    if not found:
        return {}
    usual = _most((tuple(sorted(_shared(cell).items())), place, cell.date) for place, cell in found)
    there = [(place, cell) for place, cell in found if tuple(sorted(_shared(cell).items())) == usual]
    facts = dict(usual)
    for name in dict.fromkeys(name for _, cell in there for name in _facts(cell) if name not in facts):
        given = [(place, cell) for place, cell in there if name in _facts(cell)]
        facts[name] = _most((_facts(cell)[name], place, cell.date) for place, cell in given)
    return facts


def unusual(row: Sequence[Result], usual: Facts) -> Iterator[str]:
    """Yield ``threads 8, not 1`` for each fact that is not the usual one; with the seeds if they differ."""
    by_seed = {cell.seed: tuple(differing(_facts(cell), usual)) for cell in row}
    alike = len(set(by_seed.values())) == 1
    for seed, found in list(by_seed.items())[: 1 if alike else None]:
        for name, ours, theirs in found:
            yield f"{'' if alike else f'seed {seed}: '}{name} {ours}, not {theirs}"


def differing(first: Facts, second: Facts) -> Iterator[tuple[str, str, str]]:
    """Yield the name and both values of each fact that both state and that is not the same.

    >>> list(differing({"cores": "2", "memory in GiB": "23.5"}, {"cores": "4", "memory in GiB": "23.4"}))
    [('cores', '2', '4')]
    """
    for name, ours in first.items():
        theirs = second.get(name, ours)
        if ours != theirs and not ("memory" in name and _nearly(ours, theirs)):
            yield name, ours, theirs


def _facts(cell: Result) -> Facts:
    if cell.environment is None:
        return {}
    return {**machine_of(cell.environment), **software_of(cell.environment)}


def _shared(cell: Result) -> Facts:
    """Return the facts that have nothing to do with the model: plugins' versions do."""
    assert cell.environment is not None
    plugins = _texts(cell.environment.plugins).keys() - _texts(cell.environment.versions).keys()
    return {name: value for name, value in _facts(cell).items() if name not in plugins}


def _most(found: Iterable[tuple[T, int, str]]) -> T:
    """Return the value that most rows have; of several the one with the latest date."""
    rows: dict[T, set[int]] = {}
    latest: dict[T, str] = {}
    for value, row, date in found:
        rows.setdefault(value, set()).add(row)
        latest[value] = max(latest.get(value, ""), date)
    return max(rows, key=lambda value: (len(rows[value]), latest[value]))


def _nearly(first: str, second: str) -> bool:
    try:
        one, other = float(first), float(second)
    except ValueError:
        return False
    return abs(one - other) <= SAME_MEMORY * max(one, other)


def _texts(facts: Mapping[str, Any]) -> Facts:
    known = {name: value for name, value in facts.items() if value is not None}
    return {clean(_NAMES.get(name, str(name)), 40): clean(str(value), 60) for name, value in known.items()}
