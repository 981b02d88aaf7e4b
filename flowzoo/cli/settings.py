"""Settings of a run from a YAML file and from ``--set key=value``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flowzoo.errors import OptionError


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
    values: dict[str, Any] = {} if config is None else _read_file(config)
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


def _read_file(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
        return _mapping(values, str(path))
    except OSError as error:
        raise OptionError(f"cannot read {path}: {error.strerror}; give an existing YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OptionError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise OptionError(f"{path} is nested without end; write settings as a plain mapping") from error


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, of which YAML would silently drop one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"'{key.value}' is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _parse(text: str, assignment: str) -> Any:
    try:
        value = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise OptionError(f"--set {assignment}: the value is not YAML; quote it") from error
    return _number(value)


def _number(value: Any) -> Any:
    """Read ``1e-3`` as the number that it is meant to be; YAML 1.1 takes it for a string."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


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
    return {key: _numbers(value) for key, value in values.items()}


def _numbers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_numbers(each) for each in value]
    return _number(value)
