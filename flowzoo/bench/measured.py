"""Measurements in a work folder, which remain if the cell is interrupted or killed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from flowzoo.bench.cell import Cell, file_part
from flowzoo.bench.result import Environment, Result
from flowzoo.files import write_json
from flowzoo.metric import Measurement

ENVIRONMENT = "environment.json"
"""The file that says where a cell runs."""


@dataclass(frozen=True)
class Kept:
    """A measurement, and where it was made."""

    environment: Environment
    measurement: Measurement


def keep(work: Path, metric: str, kept: Kept, *, complete: bool = True) -> Measurement:
    """Write a measurement into the work folder, and return it as it is read from there.

    Args:
        work: The work folder.
        metric: Label of the metric in its suite.
        kept: The measurement.
        complete: Whether the measurement is final; a figure whose audit is still to come is not.
    """
    path = _path(work, metric, complete)
    write_json(path, asdict(kept))
    return _KEPT.validate_json(path.read_bytes()).measurement


def read_kept(work: Path, metric: str, *, complete: bool = True) -> Kept | None:
    """Return a measurement from the work folder; None if it is not there or damaged."""
    with suppress(OSError, ValidationError):
        return _KEPT.validate_json(_path(work, metric, complete).read_bytes())
    return None


def rescue(result: Result, cell: Cell, work: Path) -> Result:
    """Return the record of a cell whose process was ended, with what it had measured until then.

    Args:
        result: The record without figures.
        cell: The cell.
        work: Its work folder.
    """
    names = list(cell.metrics)
    found: dict[str, Kept] = {}
    for name in names:
        kept = read_kept(work, name) or read_kept(work, name, complete=False)
        if kept is not None:
            found[name] = kept
    if not found:
        return result
    environment = next(iter(found.values())).environment
    metrics: Mapping[str, Measurement] = {name: kept.measurement for name, kept in found.items()}
    missing = tuple(name for name in names if read_kept(work, name) is None)
    return replace(result, metrics=metrics, environment=environment, unmeasured=missing)


def _path(work: Path, metric: str, complete: bool) -> Path:
    return work / f"{file_part(metric)}{'' if complete else '.partial'}.json"


_KEPT = TypeAdapter(Kept)
