"""Patches of the photographs among the wallpapers that Debian packages hold."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from flowzoo.component import Added, FilePlace
from flowzoo.data.dataset import Dataset, DatasetInfo
from flowzoo.data.debian_photographs import Packages, find_photographs, kept_where_possible
from flowzoo.data.flips import Flips
from flowzoo.data.memory import in_memory
from flowzoo.data.on_disk import shuffled
from flowzoo.data.regions import Photographs, Regions, in_grid
from flowzoo.errors import OptionError

LIST = Path(__file__).with_suffix(".yaml")
"""The photographs of each package, with their splits and SHA-256 sums."""

SMALL = "lomiri-wallpapers-16.04"
"""The one package of ``packages="small"``."""

SHORT_SIDE = 512
"""Pixels of the shorter side of a photograph, once it is scaled."""

LONGEST = 1024
"""Shorter side of the smallest photograph: none is scaled up."""

Side = Annotated[int, Field(ge=8, le=LONGEST)]
"""Height or width of a patch."""

_BEGIN = {"train": 2, "validation": 1, "test": 1}
"""How many patches begin along one side of a patch: one where they do not overlap."""


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
    short_side: Annotated[
        Annotated[int, Field(ge=8, le=LONGEST)] | Literal["full"],
        Added(before=SHORT_SIDE),
        Field(description="Pixels of the shorter side of each scaled photograph; full does not scale."),
    ] = SHORT_SIDE,
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

    Photographs with a short side above 512 do not lie in memory: their pixels are kept as files in the cache
    folder, and only the patches of a batch are read.

    Args:
        root: A folder into which the packages were unpacked, each by itself (``dpkg -x PACKAGE.deb
            root/ANY-NAME``) or all together. Without it, the files of installed packages are read.
        size: Height and width, 8 to 1024 and at most ``short_side``: one number for squares, or a pair.
        packages: ``"all"``, or ``"small"`` for the 13 photographs of lomiri-wallpapers-16.04. They are two
            data sets: a figure on one does not compare with a figure on the other.
        short_side: Each photograph is scaled to this many pixels on its shorter side; ``"full"`` leaves it as
            it is, 1024 to 3391 pixels. Other values than 512 make other data sets.
        flips: Mirror half of the images in training.

    Raises:
        DataError: A photograph is missing, or another one stands in its place.
        OptionError: A patch is larger than the photographs, or so small that there are too many.
    """
    listed: Packages = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    chosen = listed if packages == "all" else {SMALL: listed[SMALL]}
    height, width = (size, size) if isinstance(size, int) else size
    scaled = None if short_side == "full" else short_side
    if scaled is not None and scaled < max(height, width):
        raise OptionError(
            f"wallpapers: patches of {height}x{width} do not fit into photographs whose short side has "
            f"{scaled} pixels. Give a larger short_side, at most {LONGEST}, or full"
        )
    root_folder = Path("/") if root is None else Path(root).expanduser()
    mapped = scaled is None or scaled > SHORT_SIDE
    files = find_photographs(chosen, root_folder, _BEGIN)
    every = chain.from_iterable(files.values())
    pixels = kept_where_possible(every, scaled) if mapped else {each: each.scaled(scaled) for each in every}
    regions: dict[str, Regions] = {}
    for split in files:
        photographs = Photographs([pixels[each] for each in files[split]])
        found = in_grid(photographs, (height, width), _BEGIN[split]).several_colours()
        regions[split] = found.reordered(shuffled(range(len(found))))
    described: dict[str, Any] = {
        "bins": 256,
        "licence": "; ".join(f"{name}: {package['licence']}" for name, package in chosen.items()),
        "source": "photographs in the Debian packages "
        + ", ".join(f"{name} {package['version']}" for name, package in chosen.items()),
        "pixels": {"name": "logit", "alpha": 0.05},
        "flips": flips,
    }
    if mapped:
        return _read_when_needed(regions, described)
    patches = {split: each.take(range(len(each))).numpy() for split, each in regions.items()}
    return in_memory("wallpapers", patches, **described)


def _read_when_needed(regions: Mapping[str, Regions], described: Mapping[str, Any]) -> Dataset:
    """Return a data set whose patches are read from the photographs when they are needed."""
    shape = (3, *regions["train"].size)
    revisions = {split: each.digest(f"wallpapers:{split}:{shape}") for split, each in regions.items()}
    info = DatasetInfo(
        name="wallpapers",
        revision=hashlib.sha256("".join(revisions.values()).encode()).hexdigest()[:16],
        shape=shape,
        sizes={split: len(each) for split, each in regions.items()},
        revisions=revisions,
        **described,
    )
    return Dataset(info, dict(regions))
