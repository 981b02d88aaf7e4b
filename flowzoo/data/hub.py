"""Images through the ``datasets`` library: from the Hugging Face hub, or from parquet files in its format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flowzoo.data.stored import StoredImages
from flowzoo.decoding import decode_explained, decode_image
from flowzoo.errors import DataError


def read_hub(
    repository: str, splits: Mapping[str, str], column: str = "image", subset: str | None = None
) -> dict[str, StoredImages]:
    """Download (or find in the library's cache) the images of a repository.

    Args:
        repository: ``"owner/name"`` on the hub.
        splits: For each split to read, the hub's name for it.
        column: Column of the table that holds the images.
        subset: Name of the repository's subset (its *configuration*), if it has several.

    Raises:
        DataError: The library is not installed, the hub cannot be reached, or the data set has other columns.
    """
    return _read(repository, {} if subset is None else {"name": subset}, splits, column, repository)


def read_parquet(files: Mapping[str, Sequence[Path]], column: str, where: str) -> dict[str, StoredImages]:
    """Read images from parquet files as the hub serves them.

    Args:
        files: The files of each split, in their order.
        column: Column of the table that holds the images.
        where: The place of the files, for errors.

    Raises:
        DataError: They cannot be read, or the table has no such column.
    """
    names = {split: [str(path) for path in paths] for split, paths in files.items()}
    return _read("parquet", {"data_files": names}, {split: split for split in files}, column, where)


_LABEL = "label"
"""The column of labels in tables on the hub."""


class _EncodedColumn(StoredImages):
    """A column of image files. It lies in memory-mapped Arrow files, so little of it is in memory.

    Args:
        rows: A table of the ``datasets`` library with this column alone, in its Arrow format.
        where: The source of the table, for errors.
        labels: The class of each row; None without labels.
        classes: Names of the classes.
    """

    def __init__(self, rows: Any, where: str, labels: Sequence[int] | None, classes: tuple[str, ...]) -> None:
        self._rows = rows
        self._where = where
        self.labels = labels
        self.classes = classes

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, indices: Sequence[int]) -> list[bytes]:
        cells = self._rows[_key(indices)].column(0).to_pylist()
        return [_content(cell, index, self._where) for cell, index in zip(cells, indices, strict=True)]

    def decode(self, content: bytes) -> Image.Image:
        return decode_image(content)

    def decode_explained(self, content: bytes) -> tuple[Image.Image, list[str]]:
        return decode_explained(content)


class _ArrayColumn(StoredImages):
    """A column of ``(H, W, 3)`` arrays of bytes.

    Args:
        rows: A table of the ``datasets`` library, in its NumPy format.
        column: The column.
        shape: Shape of every array.
    """

    def __init__(self, rows: Any, column: str, shape: tuple[int, int, int]) -> None:
        self._rows = rows
        self._column = column
        self._shape = shape

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, indices: Sequence[int]) -> list[bytes]:
        arrays = self._rows[_key(indices)][self._column]
        return [np.asarray(array, np.uint8).tobytes() for array in arrays]

    def decode(self, content: bytes) -> Image.Image:
        return Image.fromarray(np.frombuffer(content, np.uint8).reshape(self._shape))


def _read(
    name: str, options: Mapping[str, Any], splits: Mapping[str, str], column: str, where: str
) -> dict[str, StoredImages]:
    try:
        import datasets
    except ImportError as reason:
        raise DataError(
            f"cannot read {where}: the datasets library is not installed. Install it: pip install "
            "'flowzoo[hub]'"
        ) from reason
    try:
        loaded = datasets.load_dataset(name, **options)
        return {
            ours: _column(_split(loaded, theirs), column, f"{where}, {theirs},")
            for ours, theirs in splits.items()
        }
    except Exception as reason:  # the library passes on any exception of its readers and clients
        raise DataError(f"cannot read {where}: {_short(reason)}") from reason


def _split(loaded: Any, split: str) -> Any:
    if split not in loaded:
        raise DataError(f"it has no split '{split}', only {', '.join(loaded)}")
    return loaded[split]


def _column(rows: Any, column: str, where: str) -> StoredImages:
    import datasets

    if column not in rows.column_names:
        raise DataError(f"it has no column '{column}', only {', '.join(rows.column_names)}")
    labels, classes = _labels(rows)
    rows = rows.select_columns(column)
    feature = rows.features[column]
    if isinstance(feature, datasets.Array3D):
        return _ArrayColumn(rows.with_format("numpy"), column, _colour_shape(feature, column))
    encoded = rows.cast_column(column, datasets.Image(decode=False)).with_format("arrow")
    return _EncodedColumn(encoded, where, labels, classes)


def _labels(rows: Any) -> tuple[Sequence[int] | None, tuple[str, ...]]:
    """Return the column of labels and the names of their classes, if the table has such a column."""
    names = getattr(rows.features.get(_LABEL), "names", None)  # a ClassLabel of the library has them
    if not names:
        return None, ()
    labels: list[int] = rows.select_columns(_LABEL).with_format("numpy")[:][_LABEL].tolist()
    known = all(0 <= label < len(names) for label in labels)
    return (labels, tuple(names)) if known else (None, ())


def _colour_shape(feature: Any, column: str) -> tuple[int, int, int]:
    height, width, channels = feature.shape
    if feature.dtype != "uint8" or channels != 3:
        raise DataError(
            f"column '{column}' holds {feature.dtype} arrays of shape {tuple(feature.shape)}, "
            "expected uint8 and (H, W, 3)"
        )
    return height, width, channels


def _key(indices: Sequence[int]) -> Sequence[int]:
    return indices if isinstance(indices, range) else list(indices)  # a range is read as one slice


def _content(cell: Mapping[str, Any] | None, index: int, where: str) -> bytes:
    if cell is None or cell["bytes"] is None:
        raise DataError(f"row {index} of {where} holds no image. Download the files again")
    content: bytes = cell["bytes"]
    return content


def _short(reason: Exception) -> str:
    first = next(iter(str(reason).strip().splitlines()), "no reason given")
    return first if isinstance(reason, DataError) else f"{type(reason).__name__}: {first[:200]}"
