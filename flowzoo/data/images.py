"""Your own images: a folder of image files, or of parquet files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Annotated, Literal

from pydantic import Field

from flowzoo.component import FilePlace
from flowzoo.data.batches import spread
from flowzoo.data.dataset import Dataset
from flowzoo.data.flips import Flips
from flowzoo.data.listing import Listing, list_folder
from flowzoo.data.locate import Opened, find_tables, open_folder, said_of_rest
from flowzoo.data.on_disk import FIRST, on_disk
from flowzoo.data.split_names import KNOWN, NAMES, affixes, find_one, looks_like_a_split, split_of
from flowzoo.data.stored import ImageFiles, Prepare, StoredImages, cut_and_scaled, exactly
from flowzoo.errors import DataError

Side = Annotated[int, Field(ge=2, le=1024)]
"""A height or a width."""

_ANYWAY = (
    "To ignore what folders and files are called, and divide all images anew, set pool=true "
    "(--set data.pool=true)"
)

_LISTS = frozenset({".txt", ".csv", ".tsv", ".json", ".lst"})


def build_images(
    *,
    root: Annotated[
        str,
        FilePlace(),
        Field(description="Folder of image files, of folders train and test, or of parquet files."),
    ],
    size: Annotated[
        Side | tuple[Side, Side] | Literal["keep"],
        Field(
            description="Size of images: a number for squares, [height, width], or keep for that of the "
            "files."
        ),
    ] = 32,
    channels: Annotated[
        Literal[1, 3], Field(description="Number of channels: 1 for grey, 3 for colour.")
    ] = 3,
    column: Annotated[str, Field(description="Column of the parquet files that holds the images.")] = "image",
    pool: Annotated[
        bool, Field(description="Ignore the names of folders, and divide all images into splits anew.")
    ] = False,
    flips: Flips = False,
) -> Dataset:
    """Load your own images, all cut and scaled to one size.

    The largest rectangle of the wanted shape is cut out of the middle of each image, and scaled to ``size``.
    With ``size="keep"`` images stay as they are; then all files must have the same size.

    The folder holds folders ``train``, ``test`` and perhaps ``validation``, with image files at any depth, or
    parquet files ``train-*.parquet`` and so on. Folders may also be called ``training``, ``testing``,
    ``valid``, ``val`` or ``dev``, in upper or lower case. Without such, all image files below it are used and
    one in ten, spread evenly in the order of their names, is for testing; folders that only look like splits
    are refused. Without a validation split, up to 5,000 training images are held out for it. Pictures that
    nearly repeat, such as those of a video, belong in one split: put them into folders.

    Images have labels if each lies in a folder of its class, such as ``train/cat/1.png``, or if parquet
    files have a column ``label`` with names of classes.

    Args:
        root: The folder.
        size: Height and width: one number for squares, a pair, or ``"keep"``.
        channels: 1 for grey images, 3 for colour.
        column: Column of parquet files that holds the images.
        pool: Ignore the names of folders, and divide all images into splits anew.
        flips: Mirror half of the images in training.

    Raises:
        DataError: There are no images, or it is not clear which split they belong to.
    """
    listing = list_folder(Path(root).expanduser())
    opened = _pool(listing) if pool else _open(listing, column)
    _label_by_folders(opened.splits)
    height, width, prepare = _prepared(size, opened.splits["train"])
    return on_disk(
        "images",
        opened.splits,
        shape=(channels, height, width),
        prepare=prepare,
        licence="that of the images, which are the user's own",
        source="a folder of the user's own",
        pixels={"name": "logit", "alpha": 0.05},
        flips=flips,
        skipped=opened.skipped,
    )


def _label_by_folders(splits: Mapping[str, StoredImages]) -> None:
    """Label images by the names of their folders, where those to train on lie in the same as all others."""
    folders = {
        split: [images.folder(index) for index in range(len(images))] for split, images in splits.items()
    }
    classes = tuple(sorted(set(folders["train"])))
    if len(classes) < 2 or "" in classes or not all(set(each) <= set(classes) for each in folders.values()):
        return
    numbers = {name: number for number, name in enumerate(classes)}
    for split, images in splits.items():
        images.labels = [numbers[name] for name in folders[split]]
        images.classes = classes


def _prepared(size: int | tuple[int, int] | Literal["keep"], train: StoredImages) -> tuple[int, int, Prepare]:
    """Return height and width of the images, and a function that cuts and scales them."""
    if size == "keep":
        height, width = _size_of_files(train)
        return (
            height,
            width,
            exactly(height, width, "set size=[height, width] to cut and scale all images to one size"),
        )
    height, width = (size, size) if isinstance(size, int) else size
    return height, width, cut_and_scaled(height, width)


def _size_of_files(images: StoredImages) -> tuple[int, int]:
    """Return height and width of the first image that can be read."""
    problem: DataError | None = None
    for index in range(min(len(images), FIRST)):
        try:
            image = images.decode(images.read([index])[0])
            return image.height, image.width
        except DataError as error:
            problem = problem or error
    raise DataError(
        f"size=keep takes the size of the files, and none of the first ones can be read: {problem}"
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
    fix = f"Add the missing split, or put all images there without folders for splits. {_ANYWAY}"
    return open_folder("images", listing, wanted, column=column, fix=fix)


def _pool(listing: Listing) -> Opened:
    files = [listing.root / path for path in listing.images]
    if len(files) < 3:
        raise DataError(
            f"{listing.root} holds {len(files)} image files, and at least 3 are "
            f"needed{said_of_rest(listing)}. Give a folder of PNG or JPEG files, a folder with folders "
            "train and test of such files, or a folder of train-*.parquet and test-*.parquet"
        )
    return Opened(_divide(files), listing.skipped)


def _divide(files: Sequence[Path]) -> dict[str, StoredImages]:
    test = set(spread(len(files), max(1, len(files) // 10), 0.5))
    return {
        "train": ImageFiles([path for place, path in enumerate(files) if place not in test]),
        "test": ImageFiles([files[place] for place in sorted(test)]),
    }


def _refuse_unclear_splits(listing: Listing, present: Mapping[str, str]) -> None:
    """Refuse folders beside or inside the splits that could be meant as splits too."""
    root = listing.root
    for folder in listing.folders():
        if folder not in present.values() and looks_like_a_split(folder):
            raise DataError(
                f"the folder {root / folder} has a name like a split, but not one that is known. Name it "
                f"{KNOWN} if it is a split, and move it out of {root} if it is not. {_ANYWAY}"
            )
    around = {affixes(folder, NAMES[split]) for split, folder in present.items()}
    if len(around) > 1:
        raise DataError(
            f"in {root}, the folders {' and '.join(present.values())} are named in different ways, so they "
            f"could belong to different sets of images. If they belong together, name them "
            f"{' and '.join(present)}. {_ANYWAY}"
        )
    for split, folder in present.items():
        inner = _inner_folders(listing, folder)
        found = {split_of(each) for each in inner}
        if None not in found and found - {split}:
            raise DataError(
                f"in {root / folder}, the folders {', '.join(sorted(inner))} have the names of splits, but "
                f"lie inside the split '{split}'. Move them beside the folder {folder}. {_ANYWAY}"
            )


def _inner_folders(listing: Listing, folder: str) -> set[str]:
    """Return the folders directly inside an outermost one; none if images lie beside them."""
    parts = [PurePath(path).parts for path in listing.images]
    inner = {each[1] if len(each) > 2 else "" for each in parts if len(each) > 1 and each[0] == folder}
    return set() if "" in inner else inner


def _refuse_unclear_pool(listing: Listing) -> None:
    """Refuse to divide images if folders, files or lists show that they are divided already."""
    root = listing.root
    for folder in _all_folders(listing):
        if looks_like_a_split(folder.name):
            inside = folder.parent != PurePath()
            fix = f"set root to {root / folder.parent}" if inside else f"name it {KNOWN}"
            raise DataError(
                f"the folder {root / folder} has a name like a split, but no splits are found in {root}. If "
                f"it is a split, {fix}; if it is not, rename it. {_ANYWAY}"
            )
    by_split: dict[str, str] = defaultdict(str)
    for path in listing.images:
        split = split_of(PurePath(path).stem)
        if split is not None:
            by_split[split] = path
    if len(by_split) > 1:
        raise DataError(
            f"in {root}, files such as {' and '.join(by_split.values())} have the names of splits. Move the "
            f"files of each split into a folder, train or test. {_ANYWAY}"
        )
    for other in map(PurePath, listing.others):
        if other.suffix.lower() in _LISTS and split_of(other.stem) == "train":
            raise DataError(
                f"{root / other} could be the list of the images to train on, and flowzoo does not read "
                f"lists. Move the images of each split into a folder, train or test. {_ANYWAY}"
            )


def _all_folders(listing: Listing) -> list[PurePath]:
    folders = {parent for path in listing.images for parent in PurePath(path).parents}
    return sorted(folders - {PurePath()})
