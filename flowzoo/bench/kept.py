"""The versions a cell is made with, and which of them have changed since a kept result was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowzoo.bench.cell import Cell
from flowzoo.bench.result import Environment, Result
from flowzoo.registry.loader import default_registry
from flowzoo.registry.provenance import Provenance, changes, provenance_of

_LIBRARIES = ("flowzoo", "torch")


def made_with(cell: Cell, plan: Result) -> Provenance:
    """Return the installed versions of a cell's components: of its model, its data set and its metrics.

    Args:
        cell: The cell.
        plan: The cell's record without figures.

    Raises:
        FlowzooError: One of them is not installed.
    """
    metrics = [f"metric:{name}" for name, _ in cell.metrics.values()]
    return provenance_of(default_registry(), [*plan.components, *metrics])


def expected_of(cell: Cell, plan: Result) -> dict[str, Any]:
    """Return what :func:`~flowzoo.bench.elsewhere.unlike_the_runner` compares, as plain data.

    Args:
        cell: The cell.
        plan: The cell's record without figures.
    """
    here = made_with(cell, plan)
    return {"versions": dict(here.versions), "fingerprints": dict(here.fingerprints)}


def changed_since(result: Result, now: Provenance) -> str:
    """Return in words what has changed since a result was made; empty if nothing has, or if it is not known.

    Args:
        result: A result that was made with the same components.
        now: What is installed now, as :func:`made_with` returns it.
    """
    if result.environment is None:
        return ""
    return ", ".join(changes(_recorded(result.environment), now))


def _recorded(environment: Environment) -> Provenance:
    libraries = {name: environment.versions[name] for name in _LIBRARIES if name in environment.versions}
    versions: Mapping[str, str] = {**libraries, **environment.plugins}
    return Provenance(versions=versions, fingerprints=environment.fingerprints)
