"""Images of one's own: a folder of image files, or parquet files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Literal

from pydantic import Field

from flowzoo.component import FilePlace
from flowzoo.data.batches import spread
from flowzoo.data.dataset import Dataset
from flowzoo.data.listing import Listing, list_folder
from flowzoo.data.locate import Opened, find_tables, open_folder, said_of_rest
from flowzoo.data.on_disk import on_disk
from flowzoo.data.split_names import KNOWN, NAMES, affixes, find_one, looks_like_a_split, split_of
from flowzoo.data.stored import ImageFiles, StoredImages, square
from flowzoo.errors import DataError

_ANYWAY = "or divide all images anew with the option pool=true"

_LISTS = frozenset({".txt", ".csv", ".tsv", ".json", ".lst"})


def build_images(
    *,
    root: Annotated[
        str,
        FilePlace(),
        Field(description="folder of image files, of folders train and test, or of parquet"),
    ],
    size: Annotated[int, Field(ge=2, le=1024, description="height and width to scale images to")] = 32,
    channels: Annotated[Literal[1, 3], Field(description="1: grey, 3: colour")] = 3,
    column: Annotated[str, Field(description="column of the parquet files that holds the images")] = "image",
    pool: Annotated[
        bool, Field(description="divide all images below root anew, whatever their folders are called")
    ] = False,
) -> Dataset:
    """Load images of one's own; of each, the square in the middle is scaled to one size.

    The folder holds folders ``train``, ``test`` and perhaps ``validation``, with image files at any depth, or
    parquet files ``train-*.parquet`` and so on. Folders may also be called ``training``, ``testing``,
    ``valid``, ``val`` or ``dev``, in upper or lower case. Without such, all image files below it are used and
    one in ten, spread evenly in the order of their names, is for testing; folders that only look like splits
    are refused. Without a validation split, up to 5,000 training images are held out for it. Pictures that
    nearly repeat, such as a video's, belong in one split: put them into folders.

    Args:
        root: The folder.
        size: Height and width.
        channels: 1 or 3.
        column: Of parquet files.
        pool: Divide all images anew.

    Raises:
        DataError: There are no images, some cannot be read, or it is not clear which split they belong to.
    """
    listing = list_folder(Path(root).expanduser())
    opened = _pool(listing) if pool else _open(listing, column)
    return on_disk(
        "images",
        opened.splits,
        shape=(channels, size, size),
        prepare=square(size),
        licence="that of the images, which are the user's own",
        source="a folder of the user's own",
        pixels={"name": "logit", "alpha": 0.05},
        skipped=opened.skipped,
    )


def _open(listing: Listing, column: str) -> Opened:
    folders = {split: find_one(listing.folders(), names, str(listing.root)) for split, names in NAMES.items()}
    present = {split: folder for split, folder in folders.items() if folder is not None}
    tables = find_tables(listing, NAMES)
    if not present and not tables:
        _refuse_unclear_pool(listing)
        return _pool(listing)
    _refuse_unclear_splits(listing, present)
    needed = {"train", "test", *present, *tables}
    wanted = {split: names for split, names in NAMES.items() if split in needed}
    fetch = f"give each split its files, or put image files there without folders for splits, {_ANYWAY}"
    return open_folder("images", listing, wanted, column=column, fetch=fetch)


def _pool(listing: Listing) -> Opened:
    files = [listing.root / path for path in listing.images]
    if len(files) < 3:
        raise DataError(
            f"{len(files)} image files in {listing.root}, expected 3 or more; give a folder of PNG or JPEG "
            "files, of folders train and test with such, or of train-*.parquet and test-*.parquet"
            f"{said_of_rest(listing)}"
        )
    return Opened(_divide(files), listing.skipped)


def _divide(files: Sequence[Path]) -> dict[str, StoredImages]:
    test = set(spread(len(files), max(1, len(files) // 10), 0.5))
    return {
        "train": ImageFiles([path for place, path in enumerate(files) if place not in test]),
        "test": ImageFiles([files[place] for place in sorted(test)]),
    }


def _refuse_unclear_splits(listing: Listing, present: Mapping[str, str]) -> None:
    """Refuse folders beside or in those of the splits that may be meant as splits too."""
    root = listing.root
    for folder in listing.folders():
        if folder not in present.values() and looks_like_a_split(folder):
            raise DataError(
                f"in {root}, the folder {folder} looks like a split too, but splits are called {KNOWN}; "
                f"rename it or move it elsewhere, {_ANYWAY}"
            )
    around = {affixes(folder, NAMES[split]) for split, folder in present.items()}
    if len(around) > 1:
        raise DataError(
            f"in {root}, the folders {' and '.join(present.values())} are named in different ways, so they "
            f"may not belong together; call them {', '.join(present)}, {_ANYWAY}"
        )
    for split, folder in present.items():
        inner = _inner_folders(listing, folder)
        found = {split_of(each) for each in inner}
        if None not in found and found - {split}:
            raise DataError(
                f"in {root / folder}, the folders {', '.join(sorted(inner))} look like splits inside the "
                f"split '{split}'; move their images to where they belong, {_ANYWAY}"
            )


def _inner_folders(listing: Listing, folder: str) -> set[str]:
    """Return the folders right below one of the outermost; none if images lie beside them."""
    parts = [PurePath(path).parts for path in listing.images]
    inner = {each[1] if len(each) > 2 else "" for each in parts if len(each) > 1 and each[0] == folder}
    return set() if "" in inner else inner


def _refuse_unclear_pool(listing: Listing) -> None:
    """Refuse to pool images whose folders, files or lists say that they are divided already."""
    root = listing.root
    for folder in _all_folders(listing):
        if looks_like_a_split(folder.name):
            above = "" if folder.parent == PurePath() else f", give root as {root / folder.parent}"
            raise DataError(
                f"in {root}, the folder {folder} looks like a split, but splits are the outermost folders, "
                f"called {KNOWN}; rename or move it{above}, {_ANYWAY}"
            )
    by_split: dict[str, str] = defaultdict(str)
    for path in listing.images:
        split = split_of(PurePath(path).stem)
        if split is not None:
            by_split[split] = path
    if len(by_split) > 1:
        raise DataError(
            f"in {root}, files such as {' and '.join(by_split.values())} are called like splits; "
            f"move them into folders train and test, {_ANYWAY}"
        )
    for other in map(PurePath, listing.others):
        if other.suffix.lower() in _LISTS and split_of(other.stem) == "train":
            raise DataError(
                f"in {root}, {other} may be the list of the images to train on, and lists are not read; "
                f"move the images into folders train and test, {_ANYWAY}"
            )


def _all_folders(listing: Listing) -> list[PurePath]:
    folders = {parent for path in listing.images for parent in PurePath(path).parents}
    return sorted(folders - {PurePath()})
