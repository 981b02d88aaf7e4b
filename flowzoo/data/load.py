"""Data sets by name."""

from __future__ import annotations

from typing import Any

from flowzoo.data.dataset import Dataset
from flowzoo.errors import PluginError
from flowzoo.registry.build import build_component


def load_dataset(name: str, /, **options: Any) -> Dataset:
    """Load a registered data set.

    Args:
        name: Its name, such as ``"digits"``.
        options: The data set's options.

    Raises:
        UnknownNameError: No plugin brings a data set of that name.
        OptionError: An option is unknown or out of range.
        DataError: The images cannot be had.
        PluginError: The plugin that brings it fails.
    """
    dataset = build_component("dataset", name, **options)
    if not isinstance(dataset, Dataset):
        raise PluginError(
            f"data set '{name}' built a {type(dataset).__name__}, expected a Dataset; "
            "its plugin must return that"
        )
    return dataset
