"""Settings of a run from a YAML file and from ``--set key=value``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flowzoo.errors import OptionError
from flowzoo.yaml_text import parse_yaml, read_yaml


@dataclass(frozen=True)
class Settings:
    """Settings by what they are for.

    Attributes:
        options: The model's options.
        training: The trainer's, under the key ``training``.
        data: The data set's, under the key ``data``.
        pixels: The pixel transform, None for what the data set recommends.
    """

    options: dict[str, Any]
    training: dict[str, Any]
    data: dict[str, Any]
    pixels: Any


def read_settings(config: Path | None, assignments: Sequence[str]) -> Settings:
    """Read a file, then apply assignments on top.

    Args:
        config: YAML mapping of model options, with ``training``, ``data`` and ``pixels`` beside them.
        assignments: ``key=value`` with dotted keys; values are read as YAML.

    Raises:
        OptionError: The file is no YAML mapping, or an assignment is none.
    """
    values: dict[str, Any] = {} if config is None else _mapping(read_yaml(config), str(config))
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator or not key.strip():
            raise OptionError(f"--set takes key=value, got '{assignment}'; try --set levels=2")
        _assign(values, key.strip().split("."), _parse(text, assignment), assignment)
    return Settings(
        training=_mapping(values.pop("training", None), "training"),
        data=_mapping(values.pop("data", None), "data"),
        pixels=values.pop("pixels", None),
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


def _mapping(values: Any, what: str) -> dict[str, Any]:
    if values is None:
        return {}
    if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
        raise OptionError(
            f"{what} must be a mapping of names to values, such as 'levels: 2'; got {type(values).__name__}"
        )
    return dict(values)
