"""Finds the images of a data set: in parquet files, in folders of image files or on the hub."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from flowzoo.data.hub import read_hub, read_parquet
from flowzoo.data.listing import Listing, is_archive, list_folder, outermost
from flowzoo.data.split_names import find_one, names_a_split
from flowzoo.data.stored import ImageFiles, StoredImages
from flowzoo.errors import DataError


@dataclass(frozen=True)
class Opened:
    """The images of a data set as they are stored.

    Attributes:
        splits: The images of each split.
        skipped: Number of skipped files, for each reason.
    """

    splits: dict[str, StoredImages]
    skipped: Counter[str] = field(default_factory=Counter)


def open_images(
    name: str,
    root: str | None,
    splits: Mapping[str, tuple[str, ...]],
    *,
    repository: str | None,
    subset: str | None = None,
    column: str = "image",
    fetch: str,
) -> Opened:
    """Open the images of each split, wherever they are.

    Args:
        name: Name of the data set, for errors.
        root: Folder of the hub's parquet files, ``<split>-*.parquet``, or of folders of image
            files, ``<split>`` or ``<split>_...``, in upper or lower case; without it, the hub.
        splits: For each split to open, the names that files and folders may have for it; the hub's is first.
        repository: ``"owner/name"`` on the hub; None if it is not on the hub.
        subset: Name of the repository's subset (its *configuration*), if it has several. In ``root``, it may
            be a folder of this name.
        column: Column of the parquet files that holds the images.
        fetch: How to get the images, for errors.

    Raises:
        DataError: They do not exist, cannot be read, or two folders may hold those of one split.
    """
    if root is None:
        if repository is None:
            raise DataError(
                f"{name} is not on the hub, so it needs the folder of its files: --set data.root=FOLDER on "
                f"the command line, root=FOLDER in Python. To get the files, {fetch}"
            )
        return Opened(_read_hub(repository, subset, splits, column, fetch))
    folder = Path(root).expanduser()
    if subset is not None and (folder / subset).is_dir():
        folder /= subset
    listing = list_folder(folder)
    return open_folder(name, listing, splits, column=column, fix=f"To get the files, {fetch}")


def open_folder(
    name: str, listing: Listing, splits: Mapping[str, tuple[str, ...]], *, column: str, fix: str
) -> Opened:
    """Open the images of each split in a folder that is listed already.

    Args:
        name: As in :func:`open_images`, like ``splits`` and ``column``.
        listing: The files of the folder.
        splits: The names of each split.
        column: Which column of parquet files holds the images.
        fix: A sentence that says what to do if a split is missing, for errors.
    """
    root = listing.root
    folders = {split: find_one(listing.folders(), names, str(root)) for split, names in splits.items()}
    found = {split: folder for split, folder in folders.items() if folder is not None}
    if len(found) == len(splits):
        stored: dict[str, StoredImages] = {
            split: ImageFiles(listing.below(folder)) for split, folder in found.items()
        }
        return Opened(stored, listing.skipped + _outside(listing, found.values()))
    if find_tables(listing, splits):
        return Opened(read_tables(listing, splits, column), listing.skipped + _unused(listing.images))
    missing = next(names[0] for split, names in splits.items() if split not in found)
    raise DataError(
        f"{root} lacks the split '{missing}' of {name}: there is neither a file {missing}-*.parquet nor a "
        f"folder {missing} of image files{said_of_rest(listing)}. {fix}"
    )


def find_tables(listing: Listing, splits: Mapping[str, tuple[str, ...]]) -> dict[str, list[Path]]:
    """Return the parquet files of those splits that have any, in the files' order.

    These are the files ``<split>-*.parquet``, or, if a split has none, all files of a folder ``<split>``.

    Args:
        listing: The files of the folder.
        splits: For each split, the names that its files and their folder may have.

    Raises:
        DataError: A split's files have several names, or lie in several folders.
    """
    found = {}
    for split, names in splits.items():
        files = [path for path in listing.tables if names_a_split(PurePath(path).stem, names)]
        files = files or [path for path in listing.tables if names_a_split(_folder_of(path), names)]
        if files:
            found[split] = [listing.root / path for path in files]
            _require_one_place(listing.root, names[0], files, names)
    return found


def read_tables(
    listing: Listing, splits: Mapping[str, tuple[str, ...]], column: str = "image"
) -> dict[str, StoredImages]:
    """Open the parquet files of each split; arguments as above.

    Raises:
        DataError: A split has none, or they cannot be read.
    """
    tables = find_tables(listing, splits)
    for split, names in splits.items():
        if split not in tables:
            raise DataError(
                f"there is no file {names[0]}-*.parquet in {listing.root}. Copy the files of the split there"
            )
    return read_parquet({split: tables[split] for split in splits}, column, str(listing.root))


def said_of_rest(listing: Listing) -> str:
    """Return a hint for errors: what a folder without enough images holds instead."""
    archives = [path for path in listing.others if is_archive(path)]
    if archives:
        return f" (if {archives[0]} holds the images, unpack it)"
    skipped = ", ".join(f"{count} {reason}" for reason, count in listing.skipped.most_common(3))
    return f" (files skipped: {skipped})" if skipped else ""


def _require_one_place(root: Path, split: str, files: Sequence[str], names: tuple[str, ...]) -> None:
    folders = sorted({os.path.dirname(path) or "." for path in files})
    called = sorted({_called(path, names) for path in files})
    for several in (folders, called):
        if len(several) > 1:
            raise DataError(
                f"in {root}, the parquet files of {several[0]} and of {several[1]} could each be the split "
                f"'{split}'. Keep one of the two there, or set root to the folder of one"
            )


def _called(path: str, names: tuple[str, ...]) -> str:
    """Return the name of a split that a file, or its folder, has."""
    for text in (PurePath(path).stem.casefold(), _folder_of(path).casefold()):
        for name in names:
            if names_a_split(text, (name,)):
                return name
    return ""


def _folder_of(path: str) -> str:
    return PurePath(path).parent.name


def _outside(listing: Listing, folders: Collection[str]) -> Counter[str]:
    return _unused([path for path in listing.images if outermost(path) not in folders])


def _unused(images: Sequence[str]) -> Counter[str]:
    return Counter({"images outside the splits": len(images)} if images else {})


def _read_hub(
    repository: str, subset: str | None, splits: Mapping[str, tuple[str, ...]], column: str, fetch: str
) -> dict[str, StoredImages]:
    try:
        return read_hub(repository, {split: names[0] for split, names in splits.items()}, column, subset)
    except DataError as reason:
        raise DataError(
            f"{reason}. To use files on this machine, {fetch}, and give the folder: --set data.root=FOLDER "
            "on the command line, root=FOLDER in Python"
        ) from reason
