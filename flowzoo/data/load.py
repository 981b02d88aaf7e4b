"""Data sets by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowzoo.data.dataset import Dataset
from flowzoo.errors import DataError, PluginError
from flowzoo.origin import mark, origin_of
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
    for source in dataset.splits.values():
        mark(source, origin_of(dataset))
    return dataset


def load_revision(name: str, revision: str, options: Mapping[str, Any]) -> Dataset:
    """Load a data set again, and refuse it if its images are not those of before.

    Args:
        name: Its name.
        revision: Content hash that it had.
        options: The data set's options.

    Raises:
        DataError: The images differ.
        FlowzooError: As :func:`load_dataset`.
    """
    dataset = load_dataset(name, **options)
    if dataset.info.revision != revision:
        raise DataError(
            f"the run was started on revision {revision} of {name}, and this is "
            f"{dataset.info.revision}: the images differ; start a new run"
        )
    return dataset
