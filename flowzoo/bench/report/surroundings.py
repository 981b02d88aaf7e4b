"""Machines and versions of cells, and their differences: speeds of other machines are shown separately."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowzoo.bench.report.wording import clean
from flowzoo.bench.result import Environment, Result

SAME_MEMORY = 0.05
"""Relative difference of memory that does not count: systems reserve a little of it."""

Facts = Mapping[str, str]

_NAMES = {"memory_gib": "memory in GiB", "gpu_memory_gib": "GPU memory in GiB", "gpu": "GPU"}


def machine_of(environment: Environment) -> Facts:
    """Return the facts that decide how fast the same software is, by name."""
    running = {"threads": environment.threads, "cells at the same time": environment.jobs}
    return _texts({**environment.hardware, **running})


def software_of(environment: Environment) -> Facts:
    """Return versions by name, those of plugins included, and what identifies their code.

    A fingerprint is of the code alone. A commit is new too if only results were added, so it is used for old
    records only, which have no fingerprints.
    """
    code = {f"code of {name}": fingerprint for name, fingerprint in environment.fingerprints.items()}
    code = code or {"code of flowzoo": f"commit {environment.commit or 'none'}"}
    return _texts({**environment.plugins, **environment.versions, **code})


def usual_facts(rows: Sequence[Sequence[Result]]) -> Facts:
    """Return the most common value of each fact of machine and versions; if there are several, the newest.

    Args:
        rows: The cells of each row.
    """
    votes: dict[str, dict[str, int]] = {}
    latest: dict[tuple[str, str], str] = {}
    for cells in rows:
        for cell in cells:
            for name, value in _facts(cell).items():
                counts = votes.setdefault(name, {})
                counts[value] = counts.get(value, 0) + 1
                latest[name, value] = max(latest.get((name, value), ""), cell.date)
    return {
        name: max(counts, key=lambda value: (counts[value], latest[name, value]))
        for name, counts in votes.items()
    }


def as_usual(row: Sequence[Result], usual: Facts) -> list[Result]:
    """Return the cells of a row whose machine and versions are the usual ones."""
    return [cell for cell in row if not any(differing(_facts(cell), usual))]


def unusual(row: Sequence[Result], usual: Facts) -> Iterator[str]:
    """Yield ``threads 8, not 1`` for each fact that is not the usual one; with the seeds if they differ."""
    by_seed = {cell.seed: tuple(differing(_facts(cell), usual)) for cell in row}
    alike = len(set(by_seed.values())) == 1
    for seed, found in list(by_seed.items())[: 1 if alike else None]:
        for name, ours, theirs in found:
            yield f"{'' if alike else f'seed {seed}: '}{name} {ours}, not {theirs}"


def differing(first: Facts, second: Facts) -> Iterator[tuple[str, str, str]]:
    """Yield the name and both values of each fact that both state and that differs.

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


def _nearly(first: str, second: str) -> bool:
    try:
        one, other = float(first), float(second)
    except ValueError:
        return False
    return abs(one - other) <= SAME_MEMORY * max(one, other)


def _texts(facts: Mapping[str, Any]) -> Facts:
    known = {name: value for name, value in facts.items() if value is not None}
    return {clean(_NAMES.get(name, str(name)), 40): clean(str(value), 60) for name, value in known.items()}
