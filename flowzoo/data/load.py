"""Data sets by name."""

from __future__ import annotations

from typing import Any

from flowzoo.data.dataset import Dataset
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
    """
    dataset: Dataset = build_component("dataset", name, **options)
    return dataset
