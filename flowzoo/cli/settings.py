"""Settings of an experiment from a YAML file, or from a run, and from ``--set key=value``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from flowzoo.errors import OptionError
from flowzoo.mappings import names_to_values
from flowzoo.yaml_text import parse_yaml, read_yaml

IN_TRAINING = {
    "model": "give the model's name by itself, as in flowzoo train glow",
    "data.name": "use --data",
    "budget": "use --steps or --seconds",
    "seed": "use --seed",
    "out": "use --out",
}
"""Settings of a file that have an option of their own in ``flowzoo train``."""


@dataclass(frozen=True)
class Settings:
    """Settings by what they are for; what is not set is None or empty.

    Attributes:
        options: Options of the model.
        training: Options of the training, under the key ``training``.
        data: Options of the data set, under the key ``data``.
        pixels: The pixel transform; None for what the data set recommends.
        model: Name of the model.
        data_name: Name of the data set: ``data``, or ``name`` below ``data``.
        budget: Length of the training: ``{"steps": N}`` or ``{"seconds": N}``.
        seed: Seed of the training.
        out: Run folder.
        grown: The model that the run grew from whose settings these are; None for all others. It is no
            setting, and a training that repeats the run needs it too.
    """

    options: dict[str, Any]
    training: dict[str, Any]
    data: dict[str, Any]
    pixels: Any
    model: str | None = None
    data_name: str | None = None
    budget: Mapping[str, Any] | None = None
    seed: Any = None
    out: Path | None = None
    grown: str | None = None


def read_settings(
    config: Path | None, assignments: Sequence[str], elsewhere: Mapping[str, str] = IN_TRAINING
) -> Settings:
    """Read a file, then apply assignments on top.

    Args:
        config: YAML file with model options, and ``model``, ``data``, ``pixels``, ``training``, ``budget``,
            ``seed`` and ``out`` beside them; or a run folder, for the settings of that run.
        assignments: ``key=value`` with dotted keys; values are read as YAML.
        elsewhere: What cannot be assigned, and what to do instead. By default the settings that have an
            option of their own in ``flowzoo train``.

    Raises:
        OptionError: The file is no YAML mapping, or an assignment is not allowed.
    """
    values, grown = ({}, None) if config is None else _read(config)
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or not key.strip():
            raise OptionError(f"--set takes key=value, got '{assignment}'; try --set levels=2")
        keys = key.strip().split(".")
        value = _parse(text, assignment)
        whole = "data.name" if keys == ["data"] and isinstance(value, str) else ".".join(keys)
        for name in (keys[0], whole):
            if name in elsewhere:
                raise OptionError(f"--set {assignment}: '{name}' cannot be set like this; {elsewhere[name]}")
        _assign(values, keys, value, assignment)
    return replace(_sorted(values), grown=grown)


def _read(config: Path) -> tuple[dict[str, Any], str | None]:
    """Return the settings of a file or a run, and the model that the run grew from."""
    if not config.is_dir():
        return names_to_values(read_yaml(config), str(config)), None
    from flowzoo.data.given import IN_MEMORY
    from flowzoo.experiment.settings import settings_of
    from flowzoo.registry.added import with_added
    from flowzoo.registry.loader import default_registry
    from flowzoo.runfolder import RunFolder

    record = RunFolder(config).read()
    asked = record.experiment
    options = with_added(default_registry(), "model", asked.model, asked.options)
    settings = settings_of(replace(asked, options=options))
    if settings["data"] == IN_MEMORY:
        del settings["data"]
    return settings, None if record.grown is None else record.grown.model


def _sorted(values: dict[str, Any]) -> Settings:
    data = values.pop("data", None)
    data = {"name": data} if isinstance(data, str) else names_to_values(data, "data")
    out = _name(values.pop("out", None), "out")
    return Settings(
        training=names_to_values(values.pop("training", None), "training"),
        pixels=values.pop("pixels", None),
        model=_name(values.pop("model", None), "model"),
        data_name=_name(data.pop("name", None), "data.name"),
        data=data,
        budget=names_to_values(values.pop("budget", None), "budget") or None,
        seed=values.pop("seed", None),
        out=None if out is None else Path(out).expanduser(),
        options=values,
    )


def _parse(text: str, assignment: str) -> Any:
    try:
        return parse_yaml(text)
    except yaml.YAMLError as error:
        raise OptionError(f"--set {assignment}: the value is not YAML; quote it") from error


def _assign(values: dict[str, Any], keys: Sequence[str], value: Any, assignment: str) -> None:
    place = values
    for key in keys[:-1]:
        below = place.setdefault(key, {})
        if isinstance(below, str):
            # "bijector: glow" in the file names the component whose option is set here.
            below = place[key] = {"name": below}
        if not isinstance(below, dict):
            raise OptionError(f"--set {assignment}: '{key}' is {below!r} and has no options")
        place = below
    last = keys[-1]
    if isinstance(place.get(last), dict) and isinstance(value, str):
        place[last] = {**place[last], "name": value}
    else:
        place[last] = value


def _name(value: Any, what: str) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        raise OptionError(
            f"{what} must be a name, got {value!r:.40}. Put a name that looks like a number in quotes"
        )
    return value
