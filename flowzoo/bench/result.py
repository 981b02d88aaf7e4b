"""The record of one cell of a suite: a model trained on a data set with a seed, and what it reached.

A report is made of these records alone; it never sees a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from flowzoo.component import Published
from flowzoo.errors import FlowzooError
from flowzoo.exactness import Exactness
from flowzoo.metric import NOT_AUDITED, Measurement

SCHEMA = 3

QUALITY = "bits-per-dim"
"""The metric by which suites rank."""

DENSITY = "density"
"""The condition of :data:`QUALITY` that holds the outcome of the density audit; schema 1 has none."""

Status = Literal["finished", "failed"]

Platform = tuple[str, str]
"""Kind of device and precision; both empty where unknown."""

Cause = Literal["error", "time-out", "crash", "out-of-memory", "not finite"]


class ResultError(FlowzooError, ValueError):
    """A file that holds no result of this version of the schema."""


@dataclass(frozen=True)
class Failure:
    """Why a cell, or one metric of it, has no figures.

    Attributes:
        stage: What was being done: ``planning``, ``training``, or a metric's name.
        cause: What kind of failure it was.
        reason: In one line.
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
        bins: Integers that a value can take.
        sizes: Images in each split.
        licence: Under which the images may be used.
        source: Where they come from.
        published: The name under which papers give figures for it, such as ``CIFAR-10``; empty for none.
        label: As the suite calls it; empty in results from before this was recorded.
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
        """Return what reports call it."""
        return self.label or self.name


@dataclass(frozen=True)
class Spent:
    """What a cell's training was given and what it used.

    Attributes:
        budget: ``{"steps": ..., "seconds": ...}``, one of them None.
        steps: Taken.
        seconds: Spent on training, the first pass over the data and validation included.
        batch_size: Images a step.
    """

    budget: Mapping[str, int | float | None]
    steps: int = 0
    seconds: float = 0.0
    batch_size: int = 0


@dataclass(frozen=True)
class Environment:
    """Where and with what a cell ran.

    Attributes:
        device: ``cpu``, ``cuda:0``, ...
        hardware: By name: ``processor``, ``cores``, ``memory_gib``, ``gpu``, ...
        precision: Of training: ``float32``, ``tf32``, ``bfloat16``.
        threads: That torch used.
        jobs: Cells that ran at the same time, at most; times suffer from more than one.
        versions: Of ``python``, ``torch``, ``flowzoo``.
        plugins: Distributions whose components the cell was made of, with their versions.
        commit: Of the flowzoo source tree, with ``-dirty`` where it differs; empty outside a git checkout.
        fingerprints: Digests of the plugins' code, as far as it computes the cell's components and metrics;
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
        key: Hash of all that decides the figures: resolved options, revisions of components and metrics, data
            revision, training options, budget, seed, kind of device, threads where the suite says how many.
        suite: Which suite it is a cell of.
        label: Its row in the suite: the model's name, or what tells apart several rows of one model.
        model: Registered name.
        seed: Of weights, noise and order of the data.
        status: Whether it was trained and measured, or failed.
        date: When it ended, ISO 8601, UTC.
        options: The model's, resolved.
        pixels: The pixel transform, resolved.
        training: The trainer's options, resolved.
        components: Revisions of all components that the model was built of and of the data set, by
            ``kind:name``.
        parameters: Trainable ones; None where the model was never built.
        data: On what.
        spent: The budget and what of it was used.
        metrics: Measurements by the metrics' names; one that failed has an objection instead of a value.
        published: What papers state for the model on this data.
        environment: Where and with what; None if it failed before that was known.
        failure: Why, where ``status`` is ``failed``.
        samples: File name of a PNG picture of samples, beside the record; empty for none.
        unmeasured: Metrics that could not be measured; ``--overwrite failed`` tries them again.
        schema: Version of this record.
    """

    key: str
    suite: str
    label: str
    model: str
    seed: int
    status: Status
    date: str
    options: Mapping[str, Any]
    pixels: Mapping[str, Any]
    training: Mapping[str, Any]
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
    schema: int = SCHEMA

    @property
    def row(self) -> tuple[str, str, str, int]:
        """What tells cells of a suite apart: suite, data set, label and seed."""
        return (self.suite, self.data.title, self.label, self.seed)

    @property
    def audited(self) -> bool:
        """Whether its likelihood was audited; one that was not is never ranked beside those that were."""
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
        return asdict(self)


def read_result(data: Any) -> Result:
    """Return the record that plain data holds.

    Raises:
        ResultError: It is no record, or one of a schema that is not known.
    """
    if not isinstance(data, dict) or "schema" not in data:
        raise ResultError("it is no result of flowzoo bench (it states no schema)")
    for older, converter in _CONVERTERS.items():
        if data["schema"] == older and type(data["schema"]) is int:
            data = converter(data)
    if data["schema"] != SCHEMA:
        raise ResultError(
            f"it has schema {data['schema']!r:.20}, and this flowzoo reads {SCHEMA}, 2 and 1; "
            "use the flowzoo that wrote it, or run the suite again"
        )
    try:
        return _READER.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ResultError(f"it is damaged ({where}: {first['msg']})") from error


def _from_schema_1(data: dict[str, Any]) -> dict[str, Any]:
    """Return a record of schema 1 as one of schema 2: its likelihoods were not audited, and are not valid."""
    metrics = data.get("metrics")
    if not isinstance(metrics, dict):
        return {**data, "schema": 2}
    return {
        **data,
        "schema": 2,
        "metrics": {
            name: {**each, "valid": False, "objections": [*each.get("objections", ()), NOT_AUDITED]}
            if name == QUALITY and isinstance(each, dict) and each.get("value") is not None
            else each
            for name, each in metrics.items()
        },
    }


def _with_exactness(data: dict[str, Any]) -> dict[str, Any]:
    """Return a record of schema 2 as one of schema 3, in which the exactness of likelihoods is a field.

    Schema 2 has it in words alone: how a trace was computed, from what coarse images were drawn, and an
    objection to approximated log-determinants. Nothing else reads these words.
    """
    metrics = data.get("metrics")
    if not isinstance(metrics, dict):
        return {**data, "schema": 3}
    measured = metrics.get(QUALITY)
    if not isinstance(measured, dict) or not isinstance(measured.get("conditions"), dict):
        return {**data, "schema": 3}
    conditions, objections = measured["conditions"], measured.get("objections") or ()
    estimated = "hutchinson" in str(conditions.get("trace", ""))
    if any("log-determinant is approximated" in str(each) for each in objections):
        exactness = Exactness.NONE
    elif conditions.get("proposal"):
        exactness = Exactness.BOUND
    else:
        exactness = Exactness.UNBIASED if estimated else Exactness.EXACT
    stated = {**measured, "exactness": str(exactness), "estimated": estimated}
    return {**data, "schema": 3, "metrics": {**metrics, QUALITY: stated}}


_CONVERTERS = {1: _from_schema_1, 2: _with_exactness}

_READER = TypeAdapter(Result)
