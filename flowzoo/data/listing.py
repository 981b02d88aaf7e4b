"""Finds the files of a folder that hold data, and says why others are skipped."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from flowzoo.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff")
"""Endings of names of image files, in upper or lower case."""

_TABLES = (".parquet",)

_SYSTEM_FOLDERS = frozenset(
    {
        "__macosx",  # resource forks, in archives that macOS made
        *("@eadir", "#recycle", "#snapshot"),  # Synology's thumbnails, bin and snapshots
        *("@__thumb", "@recycle", "@recently-snapshot"),  # QNAP's
        *("$recycle.bin", "system volume information", "recycler"),  # Windows'
        "lost+found",
        "__pycache__",
    }
)
"""Names, in lower case, of folders that systems and tools make."""

_MOST_KINDS = 12
"""Largest number of kinds of skipped files; a folder of ``x.001``, ``x.002``, ... would have thousands."""


@dataclass(frozen=True)
class Listing:
    """The files of a folder, by kind.

    Attributes:
        root: The folder.
        images: Paths of image files, relative to ``root``, in the order of their names.
        tables: Paths of parquet files, in the same way.
        others: Paths of all other files, in the same way; they are counted in ``skipped`` too.
        skipped: Number of skipped files, for each reason.
    """

    root: Path
    images: tuple[str, ...]
    tables: tuple[str, ...]
    others: tuple[str, ...] = field(repr=False)
    skipped: Counter[str]

    def below(self, folder: str) -> list[Path]:
        """Return the image files of one of the outermost folders."""
        return [self.root / path for path in self.images if outermost(path) == folder]

    def folders(self) -> list[str]:
        """Return the outermost folders that hold image files, in the order of their names."""
        return sorted({outermost(path) for path in self.images} - {""})

    def loose(self) -> list[str]:
        """Return the image files that lie in no folder of their own."""
        return [path for path in self.images if not outermost(path)]


def outermost(path: str) -> str:
    """Return the first folder of a relative path, ``""`` if the path is a bare name.

    >>> outermost("train/cat/1.png"), outermost("1.png")
    ('train', '')
    """
    first, separator, _ = path.partition(os.sep)
    return first if separator else ""


def list_folder(root: Path) -> Listing:
    """Find the image files and the parquet files below a folder.

    Hidden files and folders, those that systems and editors make, and everything that is not a
    regular file are skipped. A link to a folder is followed, unless the folder is part of the listing
    already. The root itself may be hidden, or a link.

    Args:
        root: The folder.

    Raises:
        DataError: It is not a folder, or it or a folder inside it cannot be read.
    """
    _require_folder(root)
    images: list[str] = []
    tables: list[str] = []
    others: list[str] = []
    skipped: Counter[str] = Counter()
    for path, name, reason in _walk(root):
        kind = os.path.splitext(name)[1].lower()
        if reason:
            skipped[reason] += 1
        elif kind in SUFFIXES:
            images.append(path)
        elif kind in _TABLES:
            tables.append(path)
        else:
            others.append(path)
    for kind, count in _kinds(others):
        skipped[kind] += count
    return Listing(root, tuple(sorted(images)), tuple(sorted(tables)), tuple(sorted(others)), skipped)


def _require_folder(root: Path) -> None:
    try:
        if root.is_dir():
            return
        if not root.exists():
            raise DataError(f"there is no folder {root}. Check its name, and that its disk is mounted")
    except OSError as error:
        raise DataError(f"cannot read {root}: {error.strerror}. Choose another folder") from error
    kind = root.suffix.lower()
    if kind in SUFFIXES:
        raise DataError(f"{root} is an image file. Give the folder that holds the images")
    if kind in _TABLES:
        raise DataError(f"{root} is a parquet file. Give the folder that holds it")
    if is_archive(root.name):
        raise DataError(f"{root} is an archive. Unpack it, and give the folder that it unpacks to")
    raise DataError(f"{root} is a file. Give the folder that holds the images")


def is_archive(name: str) -> bool:
    """Whether a file's name is that of an archive, which has to be unpacked."""
    return PurePath(name).suffix.lower() in {
        *(".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tbz2", ".txz"),
    }


def _walk(root: Path) -> Iterator[tuple[str, str, str]]:
    """Yield each file's path relative to ``root``, its name, and why it is skipped (``""`` if it is not).

    Folders themselves come before links to folders, so that what is in both is listed under its own path.
    """
    seen = {_identity(str(each)) for each in root.resolve().parents}
    folders = [""]
    links: list[str] = []
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        place = os.path.join(root, folder)
        # A link may lead to a folder that contains it, or to one that is listed under its own name.
        identity = _identity(place)
        if identity in seen:
            yield folder, os.path.basename(folder), "links to folders that are listed already"
            continue
        seen.add(identity)
        with _scan(place) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path = os.path.join(folder, entry.name)
            if _is(entry.is_dir):
                if _holds_no_data(entry.name):
                    count = sum(len(names) for _, _, names in os.walk(entry.path))
                    yield from [(path, entry.name, f"in {entry.name}")] * count
                elif entry.is_symlink():
                    links.append(path)
                else:
                    folders.append(path)
            else:
                yield path, entry.name, _why_not(entry)


def _identity(place: str) -> tuple[int, int]:
    try:
        status = os.stat(place)
    except OSError as error:
        raise _unreadable(place, error) from error
    return status.st_dev, status.st_ino


def _scan(place: str) -> os._ScandirIterator[str]:
    try:
        return os.scandir(place)
    except OSError as error:
        raise _unreadable(place, error) from error


def _unreadable(place: str, error: OSError) -> DataError:
    return DataError(
        f"cannot read the folder {place}: {error.strerror}. Change its permissions, or move it out of the way"
    )


def _holds_no_data(folder: str) -> bool:
    return folder.startswith(".") or folder.lower() in _SYSTEM_FOLDERS


def _why_not(entry: os.DirEntry[str]) -> str:
    if entry.name.startswith("."):
        return "hidden"
    if entry.name.startswith("~$") or os.path.splitext(entry.name)[0].endswith("~"):
        return "editors' copies"
    if _is(entry.is_file) or entry.is_symlink():  # a link that leads nowhere is a missing image
        return ""
    return "no regular files"


def _is(kind: Callable[[], bool]) -> bool:
    try:
        return kind()
    except OSError:  # a link that leads to itself
        return False


def _kinds(paths: Iterable[str]) -> list[tuple[str, int]]:
    """Return the number of files for each suffix."""
    counted = Counter(os.path.splitext(path)[1].lower() or "without a suffix" for path in paths)
    named = counted.most_common(_MOST_KINDS)
    rest = counted.total() - sum(count for _, count in named)
    return [*named, ("of other kinds", rest)] if rest else named
