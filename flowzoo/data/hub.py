"""Images through the ``datasets`` library: from the Hugging Face hub, or from parquet files in its format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowzoo.errors import DataError


def read_hub(repository: str, splits: tuple[str, ...]) -> dict[str, NDArray[np.uint8]]:
    """Download (or find in the library's cache) a data set of grey images.

    Args:
        repository: ``"owner/name"`` on the hub.
        splits: The hub's splits to read.

    Returns:
        ``(N, H, W)`` for each split.

    Raises:
        DataError: The library is not installed, the hub cannot be reached or the data set is not such.
    """
    return _read(repository, {}, splits, repository)


def read_parquet(root: Path, splits: tuple[str, ...]) -> dict[str, NDArray[np.uint8]]:
    """Read grey images from a folder of parquet files as the hub serves them, ``<split>-*.parquet``.

    Args:
        root: The folder; the files may lie in folders below it.
        splits: The splits to read.

    Returns:
        ``(N, H, W)`` for each split.

    Raises:
        DataError: A split has no files, or they cannot be read.
    """
    files = {split: [str(path) for path in sorted(root.rglob(f"{split}-*.parquet"))] for split in splits}
    for split, found in files.items():
        if not found:
            raise DataError(f"no {split}-*.parquet in {root}; copy the split's files there")
    return _read("parquet", {"data_files": files}, splits, str(root))


def _read(
    name: str, options: Mapping[str, Any], splits: tuple[str, ...], where: str
) -> dict[str, NDArray[np.uint8]]:
    try:
        import datasets
    except ImportError as reason:
        raise DataError(f"reading {where} takes the datasets library; pip install 'flowzoo[hub]'") from reason
    try:
        loaded = datasets.load_dataset(name, **options)
        return {split: _grey_images(loaded[split], datasets.Image("L")) for split in splits}
    except Exception as reason:  # the library lets through whatever its many readers and clients raise
        raise DataError(f"cannot read {where}: {_short(reason)}") from reason


def _grey_images(rows: Any, feature: Any) -> NDArray[np.uint8]:
    if "image" not in rows.column_names:
        raise DataError(f"no column 'image' among {', '.join(rows.column_names)}")
    return np.stack([np.asarray(row["image"]) for row in rows.cast_column("image", feature)])


def _short(reason: Exception) -> str:
    first = next(iter(str(reason).strip().splitlines()), "no further word")
    return first if isinstance(reason, DataError) else f"{type(reason).__name__}: {first[:200]}"
