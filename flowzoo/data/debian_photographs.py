"""Photographs that Debian packages hold: found, checked, and scaled."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

from flowzoo.cache import VARIABLE, cache_folder
from flowzoo.errors import DataError, FileError
from flowzoo.files import make_folder, write_atomically

_LOGGER = logging.getLogger("flowzoo")

Packages = Mapping[str, Mapping[str, Any]]
"""Version, folder, licence and photographs of each package: their SHA-256 sums, by split and file."""


@dataclass(frozen=True)
class Photograph:
    """A photograph's file.

    Attributes:
        path: Where it lies.
        digest: Its SHA-256 sum.
        package: The Debian package that holds it.
    """

    path: Path
    digest: str
    package: str

    def scaled(self, short_side: int | None) -> NDArray[np.uint8]:
        """Return its pixels, ``(H, W, 3)``, the shorter side scaled to a length; None leaves it.

        Raises:
            DataError: It cannot be read, or is another picture.
        """
        return _decoded(self._content(), short_side)

    def kept(self, short_side: int | None) -> Path:
        """Return a file of its pixels in numpy's format, in the cache folder.

        Args:
            short_side: As in :meth:`scaled`.

        Raises:
            DataError: As in :meth:`scaled`.
            FileError: The file cannot be written.
            RuntimeError: There is no home folder.
        """
        content = self._content()
        name = f"{self.digest[:32]}-{short_side or 'full'}-pillow{PIL.__version__}.npy"
        place = cache_folder() / "photographs" / name
        if _is_whole(place):
            return place
        make_folder(place.parent)
        buffer = io.BytesIO()
        np.save(buffer, _decoded(content, short_side), allow_pickle=False)
        write_atomically(place, buffer.getvalue())
        return place

    def _content(self) -> bytes:
        try:
            content = self.path.read_bytes()
        except OSError as reason:
            raise DataError(f"cannot read {self.path}: {reason.strerror}. Make the file readable") from reason
        if hashlib.sha256(content).hexdigest() != self.digest:
            raise DataError(
                f"{self.path} is not the photograph that wallpapers is made of: its SHA-256 sum differs. Use "
                f"{self.package} of Debian 12, also at snapshot.debian.org"
            )
        return content


def find_photographs(packages: Packages, root: Path, splits: Iterable[str]) -> dict[str, list[Photograph]]:
    """Return the photographs of each split.

    Args:
        packages: Those that are listed.
        root: Where packages were unpacked, each by itself or all together.
        splits: Names of the splits.

    Raises:
        DataError: Some are not there.
    """
    try:
        places = [root, *sorted(each for each in root.iterdir() if each.is_dir())]
    except OSError as reason:
        raise DataError(
            f"cannot read the folder {root}: {reason.strerror}. Give the folder that the packages were "
            "unpacked into as root"
        ) from reason
    found: dict[str, list[Photograph]] = {split: [] for split in splits}
    missing: list[str] = []
    for name, package in packages.items():
        for split, photographs in package["photographs"].items():
            for photograph, digest in photographs.items():
                paths = (place / package["folder"] / photograph for place in places)
                path = next((path for path in paths if path.is_file()), None)
                if path is None:
                    missing.append(name)
                else:
                    found[split].append(Photograph(path, digest, name))
    if missing:
        raise DataError(_advice(missing, root, packages))
    return found


def kept_where_possible(
    photographs: Iterable[Photograph], short_side: int | None
) -> dict[Photograph, NDArray[np.uint8] | Path]:
    """Return the files of :meth:`Photograph.kept`; the pixels of those that cannot be kept, with one warning.

    Args:
        photographs: The photographs.
        short_side: As in :meth:`Photograph.scaled`.

    Raises:
        DataError: As in :meth:`Photograph.scaled`.
    """
    found: dict[Photograph, NDArray[np.uint8] | Path] = {}
    problems: list[Exception] = []
    for each in photographs:
        try:
            found[each] = each.kept(short_side)
        except (FileError, RuntimeError) as problem:
            problems.append(problem)
            found[each] = each.scaled(short_side)
    if problems:
        _LOGGER.warning(
            "%d photographs are held in memory, since they cannot be kept in the cache folder: %s. Set %s to "
            "a folder that can be written",
            len(problems),
            problems[0],
            VARIABLE,
        )
    return found


def _advice(missing: Sequence[str], root: Path, packages: Packages) -> str:
    total = sum(len(files) for package in packages.values() for files in package["photographs"].values())
    names = " ".join(dict.fromkeys(missing))
    return (
        f"wallpapers: {len(missing)} of {total} photographs are not in {root}. Install the Debian packages "
        f"that hold them: apt-get install {names}. Or unpack their files, dpkg -x FILE.deb FOLDER, and give "
        "the folder: --set data.root=FOLDER on the command line, root=FOLDER in Python"
    )


def _decoded(content: bytes, short_side: int | None) -> NDArray[np.uint8]:
    """Return the pixels of a file's content; arguments as in :meth:`Photograph.scaled`."""
    with Image.open(io.BytesIO(content)) as image:
        if short_side is None:
            return np.asarray(image.convert("RGB"))
        scale = short_side / min(image.size)
        size = round(image.width * scale), round(image.height * scale)
        image.draft("RGB", size)
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def _is_whole(place: Path) -> bool:
    """Tell whether a file holds the pixels that its header promises."""
    try:
        np.load(place, mmap_mode="r", allow_pickle=False)
    except (EOFError, OSError, ValueError):
        return False
    return True
