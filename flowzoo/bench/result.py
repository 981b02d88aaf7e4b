"""The record of one cell of a suite: a model trained on a data set with a seed, and its figures.

A report is made of these records alone; it never sees a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from flowzoo.component import Published
from flowzoo.errors import FlowzooError
from flowzoo.evaluation.older_records import exactness_in_words
from flowzoo.experiment.experiment import Experiment
from flowzoo.formats import Format, FormatError
from flowzoo.metric import NOT_AUDITED, Measurement

QUALITY = "bits-per-dim"
"""The metric by which suites rank."""

DENSITY = "density"
"""The condition of :data:`QUALITY` that holds the outcome of the density audit; schema 1 has none."""

Status = Literal["finished", "failed"]

Platform = tuple[str, str]
"""Kind of device and precision; both empty if unknown."""

Cause = Literal["error", "time-out", "crash", "out-of-memory", "not finite", "stopped"]

STOPPED: Cause = "stopped"
"""The cause where whoever runs a cell has ended it, such as a sweep whose other trials are better."""


class ResultError(FlowzooError, ValueError):
    """A file that is not a result of a known schema."""


@dataclass(frozen=True)
class Failure:
    """Why a cell, or one metric of it, has no figures.

    Attributes:
        stage: What was being done: ``planning``, ``training``, or a metric's name.
        cause: The kind of failure.
        reason: The reason in one line.
        output: The last lines that the process printed.
    """

    stage: str
    cause: Cause
    reason: str
    output: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataFacts:
    """The data set of a cell.

    Attributes:
        name: Registered name.
        revision: Content hash; empty if the data could not be loaded.
        shape: ``(C, H, W)``.
        bins: Number of integers that a value can take.
        sizes: Number of images in each split.
        licence: Licence of the images.
        source: Source of the images.
        published: Name of the data set in papers, such as ``CIFAR-10``; empty for none.
        label: Label in the suite; empty in results from before this was recorded.
    """

    name: str
    revision: str = ""
    shape: tuple[int, ...] = ()
    bins: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)
    licence: str = ""
    source: str = ""
    published: str = ""
    label: str = ""

    @property
    def title(self) -> str:
        """Return its title in reports."""
        return self.label or self.name


@dataclass(frozen=True)
class Spent:
    """The cost of a cell's training.

    Attributes:
        steps: Number of steps.
        seconds: Time of the training in seconds, with the first pass over the data and validation.
        batch_size: Number of images in a step.
    """

    steps: int = 0
    seconds: float = 0.0
    batch_size: int = 0


@dataclass(frozen=True)
class Environment:
    """The machine and the software of a cell.

    Attributes:
        device: ``cpu``, ``cuda:0``, ...
        hardware: By name: ``processor``, ``cores``, ``memory_gib``, ``gpu``, ...
        precision: Number format of training: ``float32``, ``tf32``, ``bfloat16``.
        threads: Number of threads that torch used.
        jobs: Largest number of cells that ran at the same time. With more than one, times get longer.
        versions: Versions of ``python``, ``torch``, ``flowzoo``.
        plugins: Distributions whose components the cell was made of, with their versions.
        commit: Commit of the flowzoo source tree, with ``-dirty`` where it differs; empty outside a git
            checkout.
        fingerprints: Digests of the plugins' code that computes the cell's components and metrics;
            empty in results from before this was recorded.
    """

    device: str
    hardware: Mapping[str, Any]
    precision: str
    threads: int
    jobs: int
    versions: Mapping[str, str]
    plugins: Mapping[str, str]
    commit: str = ""
    fingerprints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """One cell.

    Attributes:
        key: Digest of all that decides the figures: the experiment with all options resolved, revisions of
            components and metrics, kind of device, and threads where the suite says how many.
        suite: Name of the suite that the cell belongs to.
        label: Label of its row in the suite: the model's name, or another label if there are several rows of
            one model.
        experiment: The training, with all options resolved; without the places of the data's files.
        status: Whether it was trained and measured, or failed.
        date: When it ended, ISO 8601, UTC.
        components: Revisions of all components that the model was built of and of the data set, by
            ``kind:name``.
        parameters: Number of trainable parameters; None if the model was never built.
        data: Facts about the data set.
        spent: The part of the budget that the training used.
        metrics: Measurements by the metrics' names; one that failed has an objection instead of a value.
        published: Published figures for the model on this data.
        environment: Machine and software; None if it failed before they were known.
        failure: Why it failed, where ``status`` is ``failed``.
        samples: File name of a PNG picture of samples, beside the record; empty for none.
        unmeasured: Metrics that could not be measured; ``--overwrite failed`` tries them again.
        suite_revision: Revision of the suite (:func:`~flowzoo.bench.revision.revision_of`); empty in results
            from before this was recorded.
        tuning: How the row's settings were chosen, as the suite states it.
        files: SHA-256 of the files that are kept beside the record, by name: the model's, and the bits/dim of
            each image. Empty if they were not kept.
        schema: Version of this record.
    """

    key: str
    suite: str
    label: str
    experiment: Experiment
    status: Status
    date: str
    components: Mapping[str, int]
    parameters: int | None
    data: DataFacts
    spent: Spent
    metrics: Mapping[str, Measurement] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    environment: Environment | None = None
    failure: Failure | None = None
    samples: str = ""
    unmeasured: tuple[str, ...] = ()
    suite_revision: str = ""
    tuning: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    schema: int = 5

    @property
    def model(self) -> str:
        """Registered name of the model."""
        return self.experiment.model

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return self.experiment.seed

    @property
    def options(self) -> Mapping[str, Any]:
        """Options of the model."""
        return self.experiment.options

    @property
    def pixels(self) -> Mapping[str, Any]:
        """The pixel transform; empty if the model was never built."""
        pixels = self.experiment.pixels
        return pixels if isinstance(pixels, Mapping) else {}

    @property
    def training(self) -> Mapping[str, Any]:
        """Options of the training, as plain data."""
        return self.experiment.training.model_dump()

    @property
    def budget(self) -> Mapping[str, float | None]:
        """The budget, as plain data: steps and seconds, one of them None."""
        return self.experiment.budget.plain()

    @property
    def row(self) -> tuple[str, str, str, int]:
        """What distinguishes cells of a suite: suite, data set, label and seed."""
        return (self.suite, self.data.title, self.label, self.seed)

    @property
    def audited(self) -> bool:
        """Whether its likelihood was audited. Figures without an audit are never ranked."""
        measured = self.metrics.get(QUALITY)
        return measured is not None and bool(measured.conditions.get(DENSITY))

    @property
    def platform(self) -> Platform:
        """Where it ran; ``cuda:1`` is of the kind ``cuda``."""
        if self.environment is None:
            return ("", "")
        return (self.environment.device.partition(":")[0], self.environment.precision)

    def plain(self) -> dict[str, Any]:
        """Return the record as plain data, as JSON holds it."""
        plain: dict[str, Any] = _READER.dump_python(self, mode="json")
        return plain


def read_result(data: Any) -> Result:
    """Return the record that plain data holds.

    Raises:
        ResultError: It is not a record of a known schema.
    """
    try:
        return SCHEMA.read(data, _READER)
    except FormatError as error:
        raise ResultError(f"it {error}") from error


def _without_audit(data: dict[str, Any]) -> dict[str, Any]:
    """Return a record of schema 1 as one of schema 2: its likelihoods were not audited, and are not valid."""
    metrics = data.get("metrics")
    if not isinstance(metrics, dict):
        return data
    return {
        **data,
        "metrics": {
            name: {**each, "valid": False, "objections": [*each.get("objections", ()), NOT_AUDITED]}
            if name == QUALITY and isinstance(each, dict) and each.get("value") is not None
            else each
            for name, each in metrics.items()
        },
    }


def _with_exactness(data: dict[str, Any]) -> dict[str, Any]:
    """Return a record of schema 2 as one of schema 3, in which the exactness of likelihoods is a field."""
    metrics = data.get("metrics")
    if not isinstance(metrics, dict):
        return data
    measured = metrics.get(QUALITY)
    if not isinstance(measured, dict) or not isinstance(measured.get("conditions"), dict):
        return data
    conditions, objections = measured["conditions"], measured.get("objections") or ()
    exactness = exactness_in_words(conditions.get("trace", ""), conditions.get("proposal", ""), objections)
    return {**data, "metrics": {**metrics, QUALITY: {**measured, **exactness}}}


def _with_experiment(data: dict[str, Any]) -> dict[str, Any]:
    """Return a record of schema 3, in which the experiment's fields lie side by side, as one of schema 4."""
    facts, spent = data.get("data"), data.get("spent")
    if not isinstance(facts, dict) or not isinstance(spent, dict):
        return data
    experiment = {name: data.get(name) for name in ("model", "seed", "options", "pixels", "training")}
    experiment |= {"data": facts.get("name"), "data_revision": facts.get("revision", "")}
    experiment["budget"] = spent.get("budget")
    rest = {name: value for name, value in data.items() if name not in experiment or name == "data"}
    spent = {name: value for name, value in spent.items() if name != "budget"}
    return {**rest, "experiment": experiment, "spent": spent}


SCHEMA = Format(
    "schema",
    Result.schema,
    "Run the suite again",
    # Schema 5 adds fields that are empty in older records.
    {1: _without_audit, 2: _with_exactness, 3: _with_experiment, 4: dict},
)
_READER = TypeAdapter(Result)
