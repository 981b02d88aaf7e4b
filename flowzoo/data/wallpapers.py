"""Patches of the photographs among the wallpapers that Debian packages hold."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from flowzoo.component import FilePlace
from flowzoo.data.dataset import Dataset
from flowzoo.data.flips import Flips
from flowzoo.data.memory import in_memory
from flowzoo.data.on_disk import shuffled
from flowzoo.errors import DataError

LIST = Path(__file__).with_suffix(".yaml")
"""The photographs of each package, with their splits and SHA-256 sums."""

SMALL = "lomiri-wallpapers-16.04"
"""The one package of ``packages="small"``."""

SHORT_SIDE = 512
"""Pixels of the shorter side of a photograph, once it is scaled."""

Side = Annotated[int, Field(ge=8, le=SHORT_SIDE)]
"""Height or width of a patch."""

_BEGIN = {"train": 2, "validation": 1, "test": 1}
"""How many patches begin along one side of a patch: one where they do not overlap."""

Packages = Mapping[str, Mapping[str, Any]]
"""What :data:`LIST` holds, by the name of the package."""


def build_wallpapers(
    *,
    root: Annotated[
        str | None,
        FilePlace(),
        Field(description="Folder that the packages were unpacked into; without it, they are installed."),
    ] = None,
    size: Annotated[
        Side | tuple[Side, Side],
        Field(description="Size of a patch: a number for squares, or [height, width]."),
    ] = 32,
    packages: Annotated[
        Literal["all", "small"],
        Field(description=f"Photographs to use: those of all packages, or of {SMALL} alone (small)."),
    ] = "all",
    flips: Flips = False,
) -> Dataset:
    """Load colour patches of 35 photographs from four Debian packages; no photograph is in two splits.

    Each photograph is scaled to a short side of 512: the JPEG decoder halves it as often as it stays large
    enough, and Pillow's Lanczos filter does the rest. Patches lie on a grid in its middle, half their side
    apart in training; in validation and testing they do not overlap. Those of a single colour, such as an
    overexposed sky, are left out. Each split is shuffled with a fixed seed. At 32x32 there are 30,457,
    2,345 and 3,120 patches; of ``packages="small"`` there are 10,528, 809 and 1,200.

    The photographs are compared with their SHA-256 sums, and the revision is a hash of the patches. Pillow
    10.4, 11.3 and 13.0 give the same patches; a version that decodes in another way gives another revision.

    Args:
        root: A folder into which the packages were unpacked, each by itself (``dpkg -x PACKAGE.deb
            root/ANY-NAME``) or all together. Without it, the files of installed packages are read.
        size: Height and width, 8 to 512: one number for squares, or a pair.
        packages: ``"all"``, or ``"small"`` for the 13 photographs of lomiri-wallpapers-16.04. They are two
            data sets: a figure on one does not compare with a figure on the other.
        flips: Mirror half of the images in training.

    Raises:
        DataError: A photograph is missing, or another one stands in its place.
    """
    listed: Packages = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    chosen = listed if packages == "all" else {SMALL: listed[SMALL]}
    files = _find(chosen, Path("/") if root is None else Path(root).expanduser())
    height, width = (size, size) if isinstance(size, int) else size
    splits = {
        split: np.concatenate([_cut(_read(*file), (height, width), begin) for file in files[split]])
        for split, begin in _BEGIN.items()
    }
    return in_memory(
        "wallpapers",
        {split: patches[shuffled(range(len(patches)))] for split, patches in splits.items()},
        bins=256,
        licence="; ".join(f"{name}: {package['licence']}" for name, package in chosen.items()),
        source="photographs in the Debian packages "
        + ", ".join(f"{name} {package['version']}" for name, package in chosen.items()),
        pixels={"name": "logit", "alpha": 0.05},
        flips=flips,
    )


def _find(packages: Packages, root: Path) -> dict[str, list[tuple[Path, str, str]]]:
    """Return file, SHA-256 sum and package of the photographs of each split.

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
    found: dict[str, list[tuple[Path, str, str]]] = {split: [] for split in _BEGIN}
    missing: list[str] = []
    for name, package in packages.items():
        for split, photographs in package["photographs"].items():
            for photograph, digest in photographs.items():
                paths = (place / package["folder"] / photograph for place in places)
                path = next((path for path in paths if path.is_file()), None)
                if path is None:
                    missing.append(name)
                else:
                    found[split].append((path, digest, name))
    if missing:
        raise DataError(_advice(missing, root, packages))
    return found


def _advice(missing: Sequence[str], root: Path, packages: Packages) -> str:
    total = sum(len(files) for package in packages.values() for files in package["photographs"].values())
    names = " ".join(dict.fromkeys(missing))
    return (
        f"wallpapers: {len(missing)} of {total} photographs are not in {root}. Install the Debian packages "
        f"that hold them: apt-get install {names}. Or unpack their files, dpkg -x FILE.deb FOLDER, and give "
        "the folder: --set data.root=FOLDER on the command line, root=FOLDER in Python"
    )


def _read(path: Path, digest: str, package: str) -> NDArray[np.uint8]:
    """Return a photograph, ``(H, W, 3)``, its shorter side scaled to :data:`SHORT_SIDE`."""
    try:
        content = path.read_bytes()
    except OSError as reason:
        raise DataError(f"cannot read {path}: {reason.strerror}. Make the file readable") from reason
    if hashlib.sha256(content).hexdigest() != digest:
        raise DataError(
            f"{path} is not the photograph that wallpapers is made of: its SHA-256 sum differs. Use "
            f"{package} of Debian 12, also at snapshot.debian.org"
        )
    with Image.open(io.BytesIO(content)) as image:
        scale = SHORT_SIDE / min(image.size)
        size = round(image.width * scale), round(image.height * scale)
        image.draft("RGB", size)
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def _cut(photograph: NDArray[np.uint8], size: tuple[int, int], begin: int) -> NDArray[np.uint8]:
    """Return the ``(N, 3, height, width)`` patches of a ``(H, W, 3)`` photograph, row by row."""
    steps = [side // begin for side in size]
    unused = [(have - side) % each for have, side, each in zip(photograph.shape, size, steps, strict=False)]
    windows = np.lib.stride_tricks.sliding_window_view(photograph, size, axis=(0, 1))
    patches = windows[unused[0] // 2 :: steps[0], unused[1] // 2 :: steps[1]].reshape(-1, 3, *size)
    several: NDArray[np.bool_] = (patches.max((2, 3)) > patches.min((2, 3))).any(1)
    return np.asarray(patches[several])
