"""Cells: what a suite asks for, one for each model, data set and seed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from pydantic import TypeAdapter

from flowzoo.bench.revision import revision_of
from flowzoo.bench.suite import DataEntry, MetricEntry, ModelEntry, Suite, mistakes
from flowzoo.component import Kind
from flowzoo.errors import FlowzooError, OptionError, UnknownNameError
from flowzoo.experiment.experiment import Experiment
from flowzoo.experiment.parse import parse_experiment
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.registry.loader import default_registry
from flowzoo.registry.options import check, resolve_spec

T = TypeVar("T")


@dataclass(frozen=True)
class Cell:
    """One training and what is measured of it.

    Attributes:
        suite: Name of the suite.
        label: Label of the row.
        experiment: The training, with the options that the suite gives.
        data_label: Label of the data in the suite.
        published: The name of the data set in papers that give figures for it.
        metrics: Names of metrics and their options, by label.
        samples: Number of images in the picture of samples.
        threads: Number of torch's threads on the CPU; None for the runner's choice.
        keep: Whether the weights and the bits/dim of each image are kept beside the record.
        suite_revision: Revision of the suite.
        tuning: How the row's settings were chosen, as the suite states it.
    """

    suite: str
    label: str
    experiment: Experiment
    data_label: str
    published: str
    metrics: Mapping[str, tuple[str, Mapping[str, Any]]]
    samples: int
    threads: int | None
    keep: bool = False
    suite_revision: str = ""
    tuning: str = ""

    @property
    def title(self) -> str:
        """A title of the cell for people."""
        return f"{self.label} on {self.data_label}, seed {self.experiment.seed}"


def cells_of(suite: Suite, training: Mapping[str, Any] | None = None) -> list[Cell]:
    """Return the cells of a suite, row by row.

    Args:
        suite: The suite.
        training: Options of the training that replace those of the suite.

    Raises:
        SuiteError: A name is unknown, or an option is refused; the message names all mistakes.
    """
    rows = [row for row in rows_of(suite) if not missing(suite, row)]
    _refuse_mistakes(suite, rows)
    metrics = {_label(each): (_address("metric", each.name), each.options) for each in suite.metrics}
    revision = revision_of(suite)
    return [
        Cell(
            suite=suite.name,
            label=row.label or row.name,
            experiment=parse_experiment(
                {
                    "model": row.name,
                    "options": row.options,
                    "pixels": row.pixels if row.pixels is not None else data.pixels,
                    "data": data.name,
                    "data_options": data.options,
                    "training": {**suite.training, **row.training, **(training or {})},
                    "budget": (row.budget or suite.budget).model_dump(),
                    "seed": seed,
                }
            ),
            data_label=data.label or data.name,
            published=data.published,
            metrics=metrics,
            samples=suite.samples,
            threads=suite.threads,
            keep=suite.keep,
            suite_revision=revision,
            tuning=row.tuning,
        )
        for data in suite.data
        for row in rows
        for seed in suite.seeds
    ]


def rows_of(suite: Suite) -> list[ModelEntry]:
    """Return a suite's entries with patterns replaced by the names that match, in the order of the suite."""
    registry = default_registry()
    named = {_address("model", entry.name) for entry in suite.models if not entry.is_pattern}
    rows: list[ModelEntry] = []
    for entry in suite.models:
        if not entry.is_pattern:
            rows.append(entry)
            continue
        for name in registry.names("model", entry.name):
            if name not in named:
                named.add(name)
                rows.append(entry.model_copy(update={"name": name}))
    return rows


def _label(entry: MetricEntry) -> str:
    return entry.label or _address("metric", entry.name)


def _address(kind: Kind, name: str) -> str:
    """Return the name under which a component is recorded: the given name if it is unknown."""
    registry = default_registry()
    try:
        return registry.address(registry.find(kind, name))
    except FlowzooError:
        return name


def ambiguous(suite: Suite) -> dict[str, str]:
    """Return the models that match a suite's patterns but are left out, since several plugins bring them."""
    patterns = [entry.name for entry in suite.models if entry.is_pattern and "/" not in entry.name]
    return {
        clash.name: str(clash)
        for clash in default_registry().clashes
        if clash.kind == "model" and not clash.core
        if any(fnmatchcase(clash.name, pattern) for pattern in patterns)
    }


def missing(suite: Suite, row: ModelEntry) -> str:
    """Return why a row of a suite is left out: the parts that are not installed; empty if none is missing."""
    if suite.optional:
        try:
            _model_is_right(row)
        except UnknownNameError as error:
            return str(error).partition(";")[0]
        except FlowzooError:
            return ""  # a mistake, which is reported with the others
    return ""


def without_missing_metrics(suite: Suite) -> tuple[Suite, dict[str, str]]:
    """Return an optional suite without the metrics that are not installed, and why each was left out."""
    left: dict[str, str] = {}
    for entry in suite.metrics if suite.optional else ():
        try:
            default_registry().find("metric", entry.name)
        except UnknownNameError as error:
            left[entry.name] = str(error).partition(";")[0]
    kept = [entry for entry in suite.metrics if entry.name not in left]
    return suite.model_copy(update={"metrics": kept}), left


def select(
    cells: Iterable[Cell],
    models: Sequence[str] = (),
    data: Sequence[str] = (),
    seeds: Iterable[int] = (),
) -> list[Cell]:
    """Return the cells of some rows.

    Args:
        cells: The cells of a suite.
        models: Patterns; a model's label must match one of them. Empty for all models.
        data: Patterns of the data sets' labels, likewise.
        seeds: The seeds to take; empty for all.

    Raises:
        OptionError: A pattern matches nothing, or no cell is left.
    """
    known, wanted = list(cells), set(seeds)
    rows = matching("row", models, [cell.label for cell in known])
    sets = matching("data set", data, [cell.data_label for cell in known])
    chosen = [
        cell
        for cell in known
        if cell.label in rows and cell.data_label in sets and (not wanted or cell.experiment.seed in wanted)
    ]
    if not chosen:
        numbers = ", ".join(str(seed) for seed in dict.fromkeys(cell.experiment.seed for cell in known))
        raise OptionError(f"no cell of the suite matches; its seeds: {numbers}")
    return chosen


def matching(what: str, patterns: Sequence[str], labels: Iterable[str]) -> set[str]:
    """Return the labels that match one of several patterns; all of them if there is no pattern.

    Raises:
        OptionError: A pattern matches none.
    """
    known = dict.fromkeys(labels)
    for pattern in patterns:
        if not any(fnmatchcase(label, pattern) for label in known):
            quoted = ", ".join(f"'{label}'" for label in known)
            raise OptionError(f"no {what} matches '{pattern}'; there are: {quoted}")
    return {label for label in known if not patterns or any(fnmatchcase(label, each) for each in patterns)}


def file_part(text: str) -> str:
    """Return text as part of a file's name.

    >>> file_part("glow, 3 levels")
    'glow-3-levels'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)


def _refuse_mistakes(suite: Suite, rows: list[ModelEntry]) -> None:
    found = [*_found(_pattern_matches, suite.models), *_found(_model_is_right, rows)]
    found += [*_found(_data_is_right, suite.data), *_found(_metric_is_right, suite.metrics)]
    found += _found(_training_is_right, [suite.training, *(row.training for row in suite.models)])
    found += dict.fromkeys(said for row in rows for said in _budget_mistakes(suite, row))
    found += _alike("models", [row.label or row.name for row in rows])
    found += _alike("data", [data.label or data.name for data in suite.data])
    found += [f"seeds: {seed} is there twice" for seed in _twice(suite.seeds)]
    found += _alike("metrics", [_label(each) for each in suite.metrics])
    if found:
        raise mistakes(suite.name, found)


def _budget_mistakes(suite: Suite, row: ModelEntry) -> Iterator[str]:
    """Return why a row's budget is impossible."""
    budget = row.budget or suite.budget
    if suite.timeout is not None and budget.seconds is not None and budget.seconds >= suite.timeout:
        yield (
            f"the budget of {budget.seconds:g} s is not below the timeout of {suite.timeout:g} s, so that "
            "no cell could end; set a longer timeout or a smaller budget"
        )
    try:
        a_step = parse_training_options({**suite.training, **row.training}).images_per_step
    except FlowzooError:
        return  # said of the options
    if budget.images is not None and budget.images < a_step:
        yield (
            f"the budget of {budget.images} images is less than one step of {a_step}; "
            "set a larger budget or a smaller training.batch_size"
        )


def _twice(names: list[T]) -> list[T]:
    return list(dict.fromkeys(name for name in names if names.count(name) > 1))


def _alike(what: str, labels: list[str]) -> Iterator[str]:
    files = [file_part(label).lower() for label in labels]
    twice = sorted({label for label, file in zip(labels, files, strict=True) if files.count(file) > 1})
    if twice:
        names = " and ".join(f"'{label}'" for label in twice)
        yield f"{what}: {names} would have the same file name. Give each a label of its own."


def _found(require: Callable[[Any], None], entries: Iterable[Any]) -> Iterator[str]:
    for entry in entries:
        try:
            require(entry)
        except FlowzooError as error:
            yield str(error)


def _pattern_matches(entry: ModelEntry) -> None:
    registry = default_registry()
    if entry.is_pattern and not registry.names("model", entry.name):
        raise registry.unknown("model", entry.name)


def _model_is_right(entry: ModelEntry) -> None:
    _options_are_right("model", entry.name, entry.options)
    _pixels_are_right(entry.pixels)


def _data_is_right(entry: DataEntry) -> None:
    _options_are_right("dataset", entry.name, entry.options)
    _pixels_are_right(entry.pixels)


def _metric_is_right(entry: MetricEntry) -> None:
    _options_are_right("metric", entry.name, entry.options)
    registry = default_registry()
    if entry.label in registry.names("metric") and entry.label not in (
        entry.name,
        _address("metric", entry.name),
    ):
        raise OptionError(
            f"metrics: '{entry.label}' is the name of another metric, so '{entry.name}' cannot have it as "
            "its label. Choose another label"
        )


def _options_are_right(kind: Kind, name: str, options: Mapping[str, Any]) -> None:
    registry = default_registry()
    component = registry.find(kind, name)
    if options:  # a component without options need not be imported here
        check(registry, component, options)


def _pixels_are_right(pixels: Any) -> None:
    if pixels is not None:
        resolve_spec(default_registry(), "bijector", pixels)


def _training_is_right(training: Mapping[str, Any]) -> None:
    parse_training_options(training)


CELLS = TypeAdapter(list[Cell])
"""Cells as plain data, for worker processes, and back."""
