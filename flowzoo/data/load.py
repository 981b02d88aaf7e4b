"""Data sets by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowzoo.data.dataset import Dataset, DatasetRecipe
from flowzoo.errors import PluginError
from flowzoo.origin import mark, origin_of
from flowzoo.registry.build import build_component
from flowzoo.registry.loader import default_registry
from flowzoo.registry.paths import with_absolute_paths


def load_dataset(name: str | Path, /, **options: Any) -> Dataset:
    """Load a data set by name, or the images of a folder.

    >>> load_dataset("digits")["train"][0].shape
    torch.Size([1, 8, 8])

    Args:
        name: Name of a registered data set, such as ``"digits"``; or a folder of image files, a ``Path`` or
            a text that begins with ``.``, ``/`` or ``~``, which is short for
            ``load_dataset("images", root=...)``.
        options: The data set's options; in those that say where files are, ``~`` stands for the home folder.

    Raises:
        UnknownNameError: No plugin brings a data set of that name.
        OptionError: An option is unknown or out of range.
        DataError: The images cannot be loaded.
        PluginError: The plugin that brings it fails.
    """
    if isinstance(name, Path) or (isinstance(name, str) and name.startswith((".", "/", "~"))):
        name, options = "images", {"root": str(name), **options}
    options = absolute_options(name, options)
    dataset = build_component("dataset", name, **options)
    if not isinstance(dataset, Dataset):
        raise PluginError(
            f"data set '{name}' built a {type(dataset).__name__}, expected a Dataset; "
            "its plugin must return that"
        )
    origin = origin_of(dataset)
    dataset = replace(dataset, recipe=DatasetRecipe(name, options))
    for marked in (dataset, *dataset.splits.values()):
        mark(marked, origin)
    return dataset


def absolute_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a data set's options with absolute paths, so that they mean the same files from any folder.

    Args:
        name: Its name.
        options: The options.

    Raises:
        UnknownNameError: No plugin brings a data set of that name.
        PluginError: The plugin that brings it fails.
    """
    return with_absolute_paths(default_registry().find("dataset", name), options)
