"""A sweep as data: the file that ``flowzoo sweep`` reads, and the cell of each trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flowzoo.bench.cell import Cell, cells_of
from flowzoo.bench.result import QUALITY
from flowzoo.bench.suite import BudgetEntry, parse_suite
from flowzoo.digest import digest_of
from flowzoo.errors import FlowzooError, OptionError, did_you_mean
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.sweep.space import Searched, parse_space
from flowzoo.yaml_text import read_yaml

_LONGEST_TUNING = 300


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    model: str | None = None
    data: str | dict[str, Any]
    budget: BudgetEntry
    search: Any
    options: dict[str, Any] = {}
    pixels: str | dict[str, Any] | None = None
    training: dict[str, Any] = {}
    trials: Annotated[int, Field(ge=1, le=100_000)] | None = None
    minutes: Annotated[float, Field(gt=0, le=10**7, strict=False)] | None = None
    prune: Literal["median", "hyperband", "none"] = "median"
    images: Annotated[int, Field(ge=1)] = 500
    audit: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    keep: bool = False


@dataclass(frozen=True)
class Sweep:
    """A search for options.

    Attributes:
        name: Name of its file, without the ending.
        asked: What the file holds.
        space: What is searched, by the options' names.
    """

    name: str
    asked: _File
    space: Mapping[str, Searched]

    @cached_property
    def digest(self) -> str:
        """A digest of everything but how many trials to make, or for how long."""
        return digest_of(self.asked.model_dump(mode="json", exclude={"trials", "minutes"}))

    @property
    def validations(self) -> int:
        """Number of validations of a training."""
        return parse_training_options(self.asked.training).validations

    @property
    def tuning(self) -> str:
        """What the records of trials state: what is searched, how, and on which split."""
        searched = "; ".join(f"{name} {each}" for name, each in self.space.items())
        amount = f"up to {self.asked.trials} trials" if self.asked.trials else "trials"
        chosen = f"chosen by bits/dim of {self.asked.images} validation images"
        text = f"one of {amount} by TPE, {chosen}; {searched}"
        return text if len(text) <= _LONGEST_TUNING else f"{text[: _LONGEST_TUNING - 3]}..."

    def cell(self, number: int, values: Mapping[str, Any]) -> Cell:
        """Return the cell of a trial. Its figure is that of validation images; test images are never read.

        Args:
            number: Number of the trial.
            values: The values that the trial has of what is searched.

        Raises:
            OptionError: An option is unknown, or a value is refused.
            UnknownNameError: There is no such model or data set.
        """
        asked = self.asked
        options, training, data = dict(asked.options), {}, _named(asked.data)
        model, pixels = asked.model, asked.pixels
        for name, value in values.items():
            if name == "model":
                model = value
            elif name == "pixels":
                pixels = value
            elif name.startswith("training."):
                training[name.removeprefix("training.")] = value
            elif name.startswith("data."):
                data["options"] = {**data["options"], name.removeprefix("data."): value}
            else:
                options[name] = value
        row = {
            "name": model,
            "label": label(number),
            "options": options,
            "pixels": pixels,
            "training": training,
        }
        suite = {
            "summary": f"Trials of the sweep {self.name}",
            "models": [{**row, "tuning": self.tuning}],
            "data": [data],
            "budget": asked.budget.model_dump(exclude_none=True),
            "seeds": [asked.seed],
            "training": asked.training,
            "metrics": [
                {"name": QUALITY, "split": "validation", "images": asked.images, "audit": asked.audit}
            ],
            "threads": asked.threads,
            "samples": 0,
            "keep": asked.keep,
        }
        (cell,) = cells_of(parse_suite(self.name, suite))
        return cell


def label(number: int) -> str:
    """Return the label of a trial.

    >>> label(7)
    'trial 0007'
    """
    return f"trial {number:04d}"


def read_sweep(path: Path, *, trials: int | None = None, minutes: float | None = None) -> Sweep:
    """Return the sweep of a YAML file.

    Both ends of each range, and each value of each list, are checked with the first values of all others.

    Args:
        path: The file.
        trials: Number of trials, instead of the file's.
        minutes: Time for the search in minutes, instead of the file's.

    Raises:
        OptionError: The file cannot be read, or holds a mistake.
        UnknownNameError: There is no such model or data set.
    """
    content = read_yaml(path)
    known = list(_File.model_fields)
    if not isinstance(content, Mapping):
        raise OptionError(f"{path} must be a mapping with model, data, budget, trials and search")
    for key in content:
        if key not in known:
            hint = did_you_mean(str(key), known) or ";"
            raise OptionError(f"{path}: no key '{key}'{hint} keys: {', '.join(known)}")
    given = {name: value for name, value in (("trials", trials), ("minutes", minutes)) if value is not None}
    try:
        asked = _File.model_validate({**content, **given})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place, message = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        raise OptionError(f"{path}: {place}: {message[0].lower()}{message[1:]}") from error
    sweep = Sweep(path.stem, asked, parse_space(asked.search))
    _check(path, sweep)
    return sweep


def _check(path: Path, sweep: Sweep) -> None:
    asked, space = sweep.asked, sweep.space
    if asked.trials is None and asked.minutes is None:
        raise OptionError(f"{path}: say how long to search: 'trials', a number, or 'minutes'")
    if (asked.model is None) == ("model" not in space):
        raise OptionError(f"{path}: give either 'model', or a list of models under 'search'")
    for name in space:
        if name.startswith("data.") and name != "data.flips":
            raise OptionError(
                f"{path}: search '{name}': an option of the data changes the images, so figures of trials "
                "could not be compared. Only data.flips can be searched"
            )
        if name in {*asked.options, *(f"training.{each}" for each in asked.training)}:
            raise OptionError(f"{path}: '{name}' is searched, and has a single value too. Leave one out")
    first = {name: each.examples[0] for name, each in space.items()}
    try:
        sweep.cell(0, first)
    except FlowzooError as error:
        raise OptionError(f"{path}: {_plain(error)}") from error
    for name, each in space.items():
        for value in each.examples[1:]:
            try:
                sweep.cell(0, {**first, name: value})
            except FlowzooError as error:
                raise OptionError(f"{path}: search '{name}', value {value}: {_plain(error)}") from error


def _plain(error: FlowzooError) -> str:
    """Return a message without the suite's name, which is that of the file."""
    return str(error).partition("': ")[2] if str(error).startswith("suite '") else str(error)


def _named(data: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(data, str):
        return {"name": data, "options": {}}
    return {
        "name": data.get("name", ""),
        "options": {key: value for key, value in data.items() if key != "name"},
    }
