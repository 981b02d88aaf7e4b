"""Files that a data set needs and that do not come with its package."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from flowzoo.component import Component
from flowzoo.data.dataset import Dataset
from flowzoo.registry.paths import path_options
from flowzoo.registry.signature import options_of
from flowzoo.testing.result import CheckFailed, NeedsFiles
from flowzoo.testing.trial import Trial


def load(trial: Trial) -> Dataset:
    """Load the data set on trial.

    Raises:
        NeedsFiles: Its files were not given.
        CheckFailed: The builder did not return a data set.
    """
    missing = missing_options(trial.component, trial.check.options)
    if missing:
        raise NeedsFiles(f"needs files: set {', '.join(missing)} to the folder of {trial.component.name}")
    dataset = trial.build()
    if not isinstance(dataset, Dataset):
        raise CheckFailed(f"the builder returned a {type(dataset).__name__}, expected a Dataset")
    return dataset


def missing_options(component: Component, given: Mapping[str, Any]) -> list[str]:
    """Return the options that a data set needs to find its images: the required ones, and paths.

    Without its optional path, a data set may use the network, which no check does.
    """
    paths = path_options(component)
    needed = [name for name, option in options_of(component).items() if option.required or name in paths]
    return [name for name in needed if name not in given]


def given_folders(trial: Trial) -> dict[str, Path]:
    """Return the folders of files that a data set was given, by the names of its options."""
    paths = {
        name: Path(str(trial.check.options[name])).expanduser()
        for name in path_options(trial.component)
        if name in trial.check.options
    }
    return {name: path for name, path in paths.items() if path.is_dir()}


@contextmanager
def listed_backwards() -> Iterator[None]:
    """Let folders list their files in the reverse order of their names, since systems promise no order."""
    listdir, scandir = os.listdir, os.scandir

    def backwards(path: Any = ".") -> list[Any]:
        return sorted(listdir(path), reverse=True)

    def scanned(path: Any = ".") -> _Scanned:
        with scandir(path) as entries:
            return _Scanned(sorted(entries, key=lambda each: each.name, reverse=True))

    with mock.patch("os.listdir", backwards), mock.patch("os.scandir", scanned):
        yield


class _Scanned(list[Any]):
    """The result of :func:`os.scandir`: entries, in a context manager."""

    def __enter__(self) -> _Scanned:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: there is nothing to close."""

    def __next__(self) -> Any:
        if not self:
            raise StopIteration
        return self.pop(0)

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
