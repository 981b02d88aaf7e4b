"""Trained models that plugins ship: the folders in ``pretrained`` of a plugin's package."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from flowzoo.registry.loader import default_registry
from flowzoo.registry.plugin import Plugin, qualified

FOLDER = "pretrained"
EVALUATION = "evaluation-test.json"
"""The model's figure, as ``flowzoo evaluate`` writes it."""

_NAME = re.compile(r"[a-z0-9-]+\.[a-z0-9_-]+")


@dataclass(frozen=True)
class Pretrained:
    """A trained model that a plugin ships.

    Attributes:
        name: ``model.tag``, where the tag says what it was trained on; ``distribution/model.tag`` where
            several plugins ship one.
        folder: The saved model.
        distribution: The distribution that ships it.
        version: The distribution's version.
    """

    name: str
    folder: Path
    distribution: str
    version: str

    @property
    def figure(self) -> Mapping[str, Any]:
        """The record of its evaluation, as it is stored; empty if there is none that can be read."""
        try:
            found = json.loads((self.folder / EVALUATION).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def list_pretrained(pattern: str = "*") -> list[str]:
    """Return the names of the trained models that are installed and match a pattern with shell wildcards.

    :func:`flowzoo.load_model` takes such a name.

    >>> list_pretrained("no-such-model.*")
    []
    """
    return [each.name for each in pretrained_models() if fnmatchcase(each.name, pattern)]


def pretrained_models() -> list[Pretrained]:
    """Return the trained models that the installed plugins ship, by name."""
    found = [each for plugin in default_registry().plugins for each in _models_of(plugin)]
    counts = Counter(each.name for each in found)
    named = [each if counts[each.name] == 1 else _qualified(each) for each in found]
    return sorted(named, key=lambda each: each.name)


def find_pretrained(name: str) -> Pretrained | None:
    """Return the trained model of a name, bare or qualified by its distribution; None if there is none."""
    known = pretrained_models()
    return next((each for each in known if name in (each.name, _qualified(each).name)), None)


def _models_of(plugin: Plugin) -> Iterator[Pretrained]:
    module = sys.modules.get(plugin.module)
    if module is None or not module.__package__ or module.__file__ is None:  # a single module has no folder
        return
    for folder in sorted((Path(module.__file__).parent / FOLDER).glob("*.*")):
        if _NAME.fullmatch(folder.name) and (folder / "config.json").is_file():
            yield Pretrained(folder.name, folder, plugin.distribution, plugin.version)


def _qualified(model: Pretrained) -> Pretrained:
    name = qualified(model.distribution, model.name.rpartition("/")[2])
    return Pretrained(name, model.folder, model.distribution, model.version)
