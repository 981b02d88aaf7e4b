"""Where the images of a data set are: in parquet files, in folders of image files or on the hub."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from flowzoo.data.hub import find_parquet, read_hub, read_parquet
from flowzoo.data.stored import SUFFIXES, ImageFiles, StoredImages
from flowzoo.errors import DataError

TRAIN = ("train",)
VALIDATION = ("validation", "valid", "val")
TEST = ("test",)


def open_images(
    name: str,
    root: str | None,
    splits: Mapping[str, tuple[str, ...]],
    *,
    repository: str | None,
    column: str = "image",
    fetch: str,
) -> dict[str, StoredImages]:
    """Open the images of each split, wherever they are.

    Args:
        name: The data set's, for errors.
        root: Folder of parquet files as the hub serves them, ``<split>-*.parquet``, or of folders of image
            files, ``<split>`` or ``<split>_...``; without it, the hub.
        splits: For each split to open, the names that files and folders may have for it; the hub's is first.
        repository: ``"owner/name"`` on the hub; None if it is on no hub.
        column: Which column of the parquet files holds the images.
        fetch: How to get the images, for errors.

    Raises:
        DataError: They are not there or cannot be read.
    """
    if root is None:
        if repository is None:
            raise DataError(f"{name} needs the option root, the folder of its files; {fetch}")
        return _read_hub(repository, splits, column, fetch)
    folder = Path(root).expanduser()
    files = {split: find_files(folder, names) for split, names in splits.items()}
    if all(files.values()):
        return {split: ImageFiles(paths) for split, paths in files.items()}
    found = {split: _name_of(folder, names) for split, names in splits.items()}
    if any(find_parquet(folder, each) for each in found.values()):
        return read_parquet(folder, found, column)
    missing = next(names[0] for split, names in splits.items() if not files[split])
    raise DataError(
        f"no {name} in {folder}: expected {missing}-*.parquet or a folder {missing} of image files; {fetch}"
    )


def find_files(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Return the image files of a split, in the order of their paths, or none.

    Args:
        folder: Holds a folder for each split.
        names: That the split's folder may have, bare or followed by ``_`` and more, as in ``train_64x64``.
    """
    candidates = [place for name in names for place in (folder / name, *sorted(folder.glob(f"{name}_*")))]
    return next((files for place in candidates if (files := image_files(place))), [])


def image_files(folder: Path) -> list[Path]:
    """Return all image files below a folder, in the order of their paths; hidden ones are left out."""
    paths = [  # os.walk and strings, since there may be a million
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(SUFFIXES) and not name.startswith(".")
    ]
    return [Path(path) for path in sorted(paths)]


def _read_hub(
    repository: str, splits: Mapping[str, tuple[str, ...]], column: str, fetch: str
) -> dict[str, StoredImages]:
    try:
        return read_hub(repository, {split: names[0] for split, names in splits.items()}, column)
    except DataError as reason:
        raise DataError(f"{reason}; or give the option root, a folder, and {fetch}") from reason


def _name_of(folder: Path, names: tuple[str, ...]) -> str:
    return next((name for name in names if find_parquet(folder, name)), names[0])
