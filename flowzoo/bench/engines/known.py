"""The engines by name, and how the options of one are read."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flowzoo.bench.engines.engine import Engine, Refused
from flowzoo.bench.engines.options import EngineOptions, RayOptions, SlurmOptions
from flowzoo.errors import OptionError, did_you_mean
from flowzoo.yaml_text import read_yaml


@dataclass(frozen=True)
class Known:
    """An engine.

    Attributes:
        build: Import string of its class, which takes its options and a folder.
        options: Its options.
        library: The module that it needs; the extra of flowzoo that brings it has the engine's name.
    """

    build: str
    options: type[EngineOptions]
    library: str


ENGINES = {
    "ray": Known("flowzoo.bench.engines.ray_engine:RayEngine", RayOptions, "ray"),
    "slurm": Known("flowzoo.bench.engines.slurm_engine:SlurmEngine", SlurmOptions, "submitit"),
}
LOCAL = "local"


@dataclass(frozen=True)
class Chosen:
    """An engine with its options.

    Attributes:
        name: Name of the engine.
        options: Its options.
    """

    name: str
    options: EngineOptions

    def make(self, folder: Path) -> Engine:
        """Return the engine.

        Args:
            folder: Folder for files of its own, which exists.
        """
        return self.type(self.options, folder)

    @property
    def type(self) -> type[Engine]:
        """Return the engine's class."""
        module, _, name = ENGINES[self.name].build.partition(":")
        found: type[Engine] = getattr(importlib.import_module(module), name)
        return found


def choose(asked: str, given: Mapping[str, Any]) -> Chosen | None:
    """Return the engine that is asked for, with its options; None for ``local``.

    Args:
        asked: Name of an engine, or a YAML file with ``engine`` and its options.
        given: Options that count more than those of the file.

    Raises:
        OptionError: There is no such engine, it does not have an option, its value is refused, or its
            library is not installed.
    """
    stated: Mapping[str, Any] = {}
    name = asked
    if asked.endswith((".yaml", ".yml")):
        stated = read_yaml(Path(asked))
        if not isinstance(stated, Mapping) or not isinstance(stated.get("engine"), str):
            raise OptionError(f"{asked} must be a mapping with 'engine' and its options, as in engine: slurm")
        name = stated["engine"]
        stated = {str(key): value for key, value in stated.items() if key != "engine"}
    if name == LOCAL:
        if stated or given:
            raise OptionError(
                f"{_option([*given, *stated][0])} needs another engine than local; add --engine ray or slurm"
            )
        return None
    if name not in ENGINES:
        hint = did_you_mean(name, [LOCAL, *ENGINES]) or ";"
        raise OptionError(
            f"no engine '{name}'{hint} engines: {', '.join([LOCAL, *ENGINES])}, or a YAML file with one of "
            "them"
        )
    options = _options(name, {**stated, **given})
    if find_spec(ENGINES[name].library) is None:
        raise OptionError(f"engine '{name}' needs {ENGINES[name].library}: pip install 'flowzoo[{name}]'")
    return Chosen(name, options)


def preview(chosen: Chosen | None, folder: Path) -> str:
    """Return in words how each cell would be started.

    Args:
        chosen: The engine; None for ``local``.
        folder: Folder for its files.

    Raises:
        OptionError: The engine refuses its options.
    """
    if chosen is None:
        return "each in a process of its own on this machine"
    try:
        return chosen.type.preview(chosen.options, folder.absolute())
    except Refused as error:
        raise OptionError(str(error)) from error


def _options(name: str, given: Mapping[str, Any]) -> EngineOptions:
    known = ENGINES[name].options
    for option in given:
        if option not in known.model_fields:
            hint = did_you_mean(option, known.model_fields) or ";"
            raise OptionError(
                f"engine '{name}' has no option '{option}'{hint} its options: {', '.join(known.model_fields)}"
            )
    try:
        return known(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"][0].lower() + first["msg"][1:]
        raise OptionError(f"engine '{name}', option {place}: {message}; got {first['input']!r}") from error


def _option(name: str) -> str:
    return f"--{name}"
