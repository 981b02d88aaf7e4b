"""Data sets by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowzoo.data.dataset import Dataset
from flowzoo.errors import PluginError
from flowzoo.origin import mark, origin_of
from flowzoo.registry.build import build_component
from flowzoo.registry.loader import default_registry
from flowzoo.registry.paths import with_absolute_paths


def load_dataset(name: str, /, **options: Any) -> Dataset:
    """Load a registered data set.

    Args:
        name: Its name, such as ``"digits"``.
        options: The data set's options; in those that say where files are, ``~`` stands for the home folder.

    Raises:
        UnknownNameError: No plugin brings a data set of that name.
        OptionError: An option is unknown or out of range.
        DataError: The images cannot be had.
        PluginError: The plugin that brings it fails.
    """
    dataset = build_component("dataset", name, **absolute_options(name, options))
    if not isinstance(dataset, Dataset):
        raise PluginError(
            f"data set '{name}' built a {type(dataset).__name__}, expected a Dataset; "
            "its plugin must return that"
        )
    for source in dataset.splits.values():
        mark(source, origin_of(dataset))
    return dataset


def absolute_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a data set's options such that they mean the same files from any folder.

    Args:
        name: Its name.
        options: The options.

    Raises:
        UnknownNameError: No plugin brings a data set of that name.
        PluginError: The plugin that brings it fails.
    """
    return with_absolute_paths(default_registry().find("dataset", name), options)
