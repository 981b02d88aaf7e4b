"""Checks of suites: every name and option is known, and every cell can be planned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from flowzoo.bench.cell import Cell, cells_of
from flowzoo.bench.suite import Suite, mistakes
from flowzoo.bench.suites import as_suite
from flowzoo.component import Check
from flowzoo.data.load import load_dataset
from flowzoo.errors import DataError, FlowzooError, did_you_mean
from flowzoo.flow import Flow
from flowzoo.registry.loader import default_registry
from flowzoo.registry.models import assemble
from flowzoo.registry.options import check as check_options
from flowzoo.shapes import Shape
from flowzoo.testing.files import missing_options
from flowzoo.testing.result import CheckFailed, PassedWithNote, require
from flowzoo.testing.trial import Trial
from flowzoo.training.stage import plan_stages


@dataclass(frozen=True)
class _Images:
    """The facts about a data set that planning needs."""

    shape: Shape
    bins: int
    pixels: Mapping[str, Any]


def builds(trial: Trial) -> None:
    """The builder returns a suite: a mapping, or the path of a YAML file."""
    _suite(trial)


def asks_for_what_exists(trial: Trial) -> None:
    """Every model, data set and metric is installed, and every option exists and is in its range."""
    suite = _suite(trial)
    cells = cells_of(suite)
    require(bool(cells), "no row of the suite is installed, so there is nothing to run")
    found = [*_unknown_figures(suite), *_missing_options(cells)]
    if found:
        raise mistakes(suite.name, found)


def can_be_planned(trial: Trial) -> None:
    """Every model can be built for every data set, and every budget is large enough for all stages.

    For a data set without its files, the shape that its Check declares is used, if there is one.
    """
    suite = _suite(trial)
    images: dict[str, _Images | None] = {}
    planned: set[str] = set()
    for cell in cells_of(suite):
        if cell.data_label not in images:
            images[cell.data_label] = _images(cell)
        known = images[cell.data_label]
        what = repr((replace(cell.experiment, seed=0), cell.data_label))
        if known is None or what in planned:
            continue  # another seed
        planned.add(what)
        try:
            _plan(cell, known)
        except FlowzooError as error:
            raise CheckFailed(f"{cell.title}: {error}") from error
    unknown = [label for label, known in images.items() if known is None]
    if unknown:
        raise PassedWithNote(f"needs files to plan the cells for {', '.join(unknown)}")


def _suite(trial: Trial) -> Suite:
    return as_suite(trial.name or trial.component.name, trial.build())


def _plan(cell: Cell, images: _Images) -> None:
    stages = plan_stages(_build(cell, images), cell.experiment.training)
    cell.experiment.budget.divide([stage.share for stage in stages])


def _build(cell: Cell, images: _Images) -> Flow:
    """Build a cell's model, without memory for its weights if its builders allow that."""
    asked, registry = cell.experiment, default_registry()
    pixels = asked.pixels if asked.pixels is not None else images.pixels
    given = (asked.model, images.shape, images.bins, pixels, asked.seed, asked.options)
    try:
        with torch.device("meta"):
            return assemble(registry, *given)
    except FlowzooError:
        # A build with real weights gives the true error, since some builders compute with them.
        return assemble(registry, *given)


def _images(cell: Cell) -> _Images | None:
    component = default_registry().find("dataset", cell.experiment.data)
    if not missing_options(component, cell.experiment.data_options):
        try:
            info = load_dataset(cell.experiment.data, **cell.experiment.data_options).info
        except DataError:
            pass  # a package that it needs is not installed, or there is no network
        else:
            return _Images(info.shape, info.bins, info.pixels)
    check = component.checks[0]
    return None if check.shape == Check().shape else _Images(check.shape, 256, {"name": "affine"})


def _missing_options(cells: list[Cell]) -> Iterator[str]:
    """Raise for options without a default that are left out, except folders, which the user gives."""
    registry = default_registry()
    asked: list[tuple[Any, str, Mapping[str, Any]]] = []
    for cell in cells:
        each = cell.experiment
        asked += [
            ("model", each.model, each.options),
            *(("metric", *metric) for metric in cell.metrics.values()),
        ]
        if not missing_options(registry.find("dataset", each.data), each.data_options):
            asked.append(("dataset", each.data, each.data_options))
    said = set()
    for kind, name, options in asked:
        try:
            check_options(registry, registry.find(kind, name), options)
        except FlowzooError as error:
            said.add(str(error))
    yield from sorted(said)


def _unknown_figures(suite: Suite) -> Iterator[str]:
    """Raise if the name for published figures is a misspelt one."""
    known = {each.data for model in default_registry().components("model") for each in model.published}
    for data in suite.data:
        hint = did_you_mean(data.published, known)
        if data.published and data.published not in known and hint:
            yield f"data '{data.name}': no figures are published for '{data.published}'{hint}"
