"""Images of one's own: a folder of image files, or parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from flowzoo.data.batches import spread
from flowzoo.data.dataset import Dataset
from flowzoo.data.hub import find_parquet
from flowzoo.data.locate import TEST, TRAIN, VALIDATION, find_files, image_files, open_images
from flowzoo.data.on_disk import on_disk
from flowzoo.data.stored import ImageFiles, StoredImages, square
from flowzoo.errors import DataError

_SPLITS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}


def build_images(
    *,
    root: Annotated[
        str, Field(description="folder of image files, of folders train and test, or of parquet")
    ],
    size: Annotated[int, Field(ge=2, le=1024, description="height and width to scale images to")] = 32,
    channels: Annotated[Literal[1, 3], Field(description="1: grey, 3: colour")] = 3,
    column: Annotated[str, Field(description="column of the parquet files that holds the images")] = "image",
) -> Dataset:
    """Load images of one's own; of each, the square in the middle is scaled to one size.

    The folder holds folders ``train``, ``test`` and perhaps ``validation``, with image files at any depth, or
    parquet files ``train-*.parquet`` and so on. Without such, all image files below it are used and one in
    ten, spread evenly in the order of their names, is for testing. Without a validation split, up to 5,000
    training images are held out for it. Pictures that nearly repeat, such as a video's, belong in one split:
    put them into folders.

    Args:
        root: The folder.
        size: Height and width.
        channels: 1 or 3.
        column: Of parquet files.

    Raises:
        DataError: There are no images, or some cannot be read.
    """
    folder = Path(root).expanduser()
    return on_disk(
        "images",
        _open(folder, column),
        shape=(channels, size, size),
        prepare=square(size),
        licence="that of the images, which are the user's own",
        source="a folder of the user's own",
        pixels={"name": "logit", "alpha": 0.05},
    )


def _open(folder: Path, column: str) -> dict[str, StoredImages]:
    present = {split: names for split, names in _SPLITS.items() if _has(folder, names)}
    if present:
        wanted = {
            split: names for split, names in _SPLITS.items() if split in present or split != "validation"
        }
        return open_images(
            "images",
            str(folder),
            wanted,
            repository=None,
            column=column,
            fetch="give each split its files, or put image files there without folders for splits",
        )
    files = image_files(folder)
    if len(files) < 3:
        raise DataError(
            f"{len(files)} image files in {folder}, expected 3 or more; give a folder of PNG or JPEG files, "
            "of folders train and test with such, or of train-*.parquet and test-*.parquet"
        )
    return _divide(files)


def _has(folder: Path, names: tuple[str, ...]) -> bool:
    return bool(find_files(folder, names)) or any(find_parquet(folder, name) for name in names)


def _divide(files: Sequence[Path]) -> dict[str, StoredImages]:
    test = set(spread(len(files), max(1, len(files) // 10), 0.5))
    return {
        "train": ImageFiles([path for place, path in enumerate(files) if place not in test]),
        "test": ImageFiles([files[place] for place in sorted(test)]),
    }
