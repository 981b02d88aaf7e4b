"""A suite as data: the models, the data, the budget and the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from flowzoo.errors import OptionError, did_you_mean
from flowzoo.yaml_text import read_yaml

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^/\\\x00-\x1f.][^/\\\x00-\x1f]*$")]
"""Names become parts of file names, so they have no slash and nothing invisible, and begin with no dot."""

_PART = r"[^/\\\x00-\x1f.][^/\\\x00-\x1f]*"
Registered = Annotated[str, Field(min_length=1, max_length=200, pattern=rf"^({_PART}/)?{_PART}$")]
"""Names of components; they may be qualified by the distribution that brings them."""

LONGEST = 1e7
"""The longest time-out in seconds, about four months."""

_MANY = 10**12


class SuiteError(OptionError):
    """A suite with mistakes. The message lists all of them."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class BudgetEntry(_Part):
    """How long to train: in ``steps`` or ``images``, which repeats exactly, or in ``seconds``."""

    steps: Annotated[int, Field(ge=1, le=_MANY)] | None = None
    images: Annotated[int, Field(ge=1, le=_MANY)] | None = None
    seconds: Annotated[float, Field(gt=0, le=_MANY, strict=False)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> BudgetEntry:
        if sum(each is not None for each in (self.steps, self.images, self.seconds)) != 1:
            raise ValueError("give exactly one of steps, images and seconds")
        return self


class ModelEntry(_Part):
    """A row, or as many as a pattern matches.

    Attributes:
        name: Registered name, or a pattern with shell wildcards, which stands for all models that match and
            that no other entry of the suite names.
        label: Tells apart several rows of one model; the model's name if empty.
        options: Options of the model.
        pixels: The pixel transform; None for that of the data.
        training: Options of the training, which override those of the suite.
        budget: The budget, if it differs from the suite's.
        tuning: How its settings were chosen: what was tried, and on which split. Reports show it.
    """

    name: Registered
    label: Name | None = None
    options: dict[str, Any] = {}
    pixels: str | dict[str, Any] | None = None
    training: dict[str, Any] = {}
    budget: BudgetEntry | None = None
    tuning: Annotated[str, Field(max_length=300)] = ""

    @property
    def is_pattern(self) -> bool:
        return any(character in self.name for character in "*?[")

    @model_validator(mode="after")
    def _labels_one(self) -> ModelEntry:
        if self.is_pattern and self.label is not None:
            raise ValueError(
                f"'{self.name}' stands for several models, which cannot share the label '{self.label}'"
            )
        return self


class DataEntry(_Part):
    """A data set.

    Attributes:
        name: Registered name.
        label: Tells apart several entries of one data set; its name if empty.
        options: Its options.
        pixels: The pixel transform; None for what the data set recommends.
        published: The name of the data set in papers, such as ``CIFAR-10``.
    """

    name: Registered
    label: Name | None = None
    options: dict[str, Any] = {}
    pixels: str | dict[str, Any] | None = None
    published: str = ""


class MetricEntry(_Part):
    """A metric; in YAML a name, or a mapping with ``name``, perhaps ``label``, and options beside them.

    Attributes:
        name: Registered name.
        label: Tells apart several entries of one metric; its name if empty.
        options: Its options.
    """

    name: Registered
    label: Name | None = None
    options: dict[str, Any] = {}


class ClaimEntry(_Part):
    """A claim of a paper that the suite's records are to judge: that one row is better than another.

    Attributes:
        claim: The claim, in a sentence.
        source: The paper, and the place in it.
        row: Label of the row that the claim favours.
        than: Label of the row that it is compared with.
        metric: Label of the metric whose figure is claimed to be smaller, or larger.
        than_metric: Label of the other row's metric, such as one at another temperature; the same if None.
        detail: A figure among the metric's details instead of its own, such as ``joint_bpd``.
        at_common_level: For a metric whose details hold the curve of a training, such as ``time-to-bpd``: the
            time until the lowest bits/dim that every cell of both rows reached, not the metric's figure.
        is_lower: Whether the favoured row's figure is claimed to be the smaller one; otherwise the larger.
        margin: By how much the favoured row may be worse; if negative, by how much it has to be better.
        data: Title of the only data set that the claim is about; None for all.
    """

    claim: Annotated[str, Field(min_length=1, max_length=300)]
    source: Annotated[str, Field(max_length=300)] = ""
    row: Name
    than: Name
    metric: Name = "bits-per-dim"
    than_metric: Name | None = None
    detail: Annotated[str, Field(max_length=100)] = ""
    at_common_level: bool = False
    is_lower: bool = True
    margin: Annotated[float, Field(strict=False)] = 0.0
    data: Name | None = None

    @property
    def metric_of_other(self) -> str:
        """Label of the metric of the row that the favoured one is compared with."""
        return self.than_metric or self.metric


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _with_options(value: Any) -> Any:
    if isinstance(value, Mapping) and "name" in value:
        own = {key: value[key] for key in ("name", "label") if key in value}
        return {**own, "options": {key: each for key, each in value.items() if key not in own}}
    return _named(value)


class Suite(_Part):
    """What a suite holds.

    Attributes:
        name: Registered name, or the name of the file without its ending.
        summary: One line about the suite.
        reference: The paper whose table it follows, if it does.
        models: The rows.
        optional: Leave out rows whose models or parts are not installed, instead of refusing
            the suite.
        data: The data sets. Every row is trained on each of them.
        budget: Budget of every training.
        seeds: The seeds. Every row is trained with each of them.
        training: Options of the training, for all rows.
        metrics: The metrics that are measured for every trained model.
        timeout: Longest time for one cell in seconds; None for no limit.
        threads: Number of torch's threads on the CPU; None for all cores, shared by the jobs.
        samples: Number of images in the picture of samples; 0 for none.
        keep: Whether each cell's weights, and the bits/dim of each image, are kept beside its record.
        claims: What papers claim of the rows, which ``flowzoo bench claims`` judges.
    """

    name: Name
    summary: Annotated[str, Field(min_length=1)]
    reference: str = ""
    models: Annotated[list[Annotated[ModelEntry, BeforeValidator(_named)]], Field(min_length=1)]
    optional: bool = False
    data: Annotated[list[Annotated[DataEntry, BeforeValidator(_named)]], Field(min_length=1)]
    budget: BudgetEntry
    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**63)]], Field(min_length=1)] = [0]
    training: dict[str, Any] = {}
    metrics: Annotated[list[Annotated[MetricEntry, BeforeValidator(_with_options)]], Field(min_length=1)]
    timeout: Annotated[float, Field(gt=0, le=LONGEST, strict=False)] | None = None
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    samples: Annotated[int, Field(ge=0, le=400)] = 36
    keep: bool = False
    claims: list[ClaimEntry] = []

    @model_validator(mode="after")
    def _claims_are_of_rows(self) -> Suite:
        labels = {each.label or each.name for each in self.models}
        patterns = any(each.is_pattern for each in self.models)
        metrics = {each.label or each.name for each in self.metrics}
        for place, claim in enumerate(self.claims):
            unknown = [each for each in (claim.row, claim.than) if each not in labels and not patterns]
            if unknown:
                raise ValueError(f"claim {place + 1}: the suite has no row '{unknown[0]}'")
            if claim.row == claim.than and claim.metric == claim.metric_of_other:
                raise ValueError(f"claim {place + 1}: it compares row '{claim.row}' with itself")
            for metric in (claim.metric, claim.metric_of_other):
                if metric not in metrics:
                    raise ValueError(f"claim {place + 1}: the suite has no metric '{metric}'")
        return self


def parse_suite(name: str, content: Any) -> Suite:
    """Return the suite that plain data describes.

    Args:
        name: Name of the suite.
        content: What a suite file holds.

    Raises:
        SuiteError: It has unknown keys, lacks some, or holds values of a wrong type; the message names all
            mistakes.
    """
    if not isinstance(content, Mapping):
        raise SuiteError(f"suite '{name}' must be a mapping with models, data, budget and metrics")
    keys = {str(key): value for key, value in content.items()}
    if "name" in keys:
        raise SuiteError(f"suite '{name}': a suite has the name of its file. Leave out the key 'name'")
    try:
        return Suite(**{**keys, "name": name})
    except ValidationError as error:
        raise mistakes(name, [_say(each) for each in error.errors(include_url=False)]) from error


def read_suite(path: Path) -> Suite:
    """Return the suite in a YAML file.

    Raises:
        OptionError: The file cannot be read, or it is not a suite in YAML.
    """
    return parse_suite(path.stem, read_yaml(path))


def mistakes(name: str, found: list[str]) -> SuiteError:
    """Return the error that lists all mistakes of a suite."""
    if len(found) == 1:
        return SuiteError(f"suite '{name}': {found[0]}")
    numbered = "; ".join(f"({place}) {each}" for place, each in enumerate(found, 1))
    return SuiteError(f"suite '{name}' has {len(found)} mistakes: {numbered}")


def _say(error: Any) -> str:
    """Return one of pydantic's findings in our words."""
    *where, last = error["loc"] or ("suite",)
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        hint = did_you_mean(str(last), _known_keys(where))
        return f"no key '{place}'{hint or ';'} keys: {', '.join(_known_keys(where))}"
    if error["type"] == "missing":
        return f"'{place}' is missing"
    if error["type"] in ("model_type", "dict_type"):
        return f"{place}: must be a mapping of names to values"
    message = error["msg"].removeprefix("Value error, ")
    return f"{place}: {message[0].lower()}{message[1:]}"


def _known_keys(where: list[Any]) -> list[str]:
    parts: dict[str, type[BaseModel]] = {
        "models": ModelEntry,
        "data": DataEntry,
        "metrics": MetricEntry,
        "claims": ClaimEntry,
    }
    part = BudgetEntry if "budget" in where else parts.get(str(where[0]) if where else "", Suite)
    return [key for key in part.model_fields if part is not Suite or key != "name"]
