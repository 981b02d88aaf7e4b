"""Pairs of photographs of ``wallpapers`` that look alike: none may show what another one shows.

    python benchmarks/data/near_duplicates.py UNPACKED-PACKAGES [--all]

Photographs are compared as 32x32 grey pictures without the mean of each row, since skies and horizons are
much the same: by their correlation, or that with the mirrored one. Two sizes of one picture correlate by
more than 0.98. The script prints the closest pairs, and fails where one correlates by more than 0.8. It
does not find different cuts of one picture. ``--all`` compares all pictures of the folder that are not
flat, to see that pairs are found.
"""

from __future__ import annotations

import argparse
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flowzoo.data.wallpapers import LIST
from flowzoo.yaml_text import read_yaml

MOST = 0.8
SIDE = 32
SHOWN = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--all", action="store_true", dest="everything")
    given = parser.parse_args()
    paths = pictures(given.folder) if given.everything else listed(given.folder)
    small = {path: scaled(path) for path in paths}
    pairs = sorted(
        ((likeness(small[one], small[other]), one, other) for one, other in combinations(paths, 2)),
        reverse=True,
    )
    alike = sum(value > MOST for value, _, _ in pairs)
    print(f"{len(paths)} pictures, {alike} pairs above {MOST}; the closest pairs:")
    for value, one, other in pairs[: max(alike, SHOWN)]:
        print(f"{value:.3f}  {one.relative_to(given.folder)}  {other.relative_to(given.folder)}")
    sys.exit(alike > 0)


def listed(folder: Path) -> list[Path]:
    names = [
        f"{package['folder']}/{photograph}"
        for package in read_yaml(LIST).values()
        for photographs in package["photographs"].values()
        for photograph in photographs
    ]
    places = [(folder / name, *folder.glob(f"*/{name}")) for name in names]
    return [next(path for path in each if path.is_file()) for each in places]


def pictures(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    found = [path for path in files if path.suffix in (".jpg", ".png", ".webp") and path.stem != "screenshot"]
    return [path for path in found if np.isfinite(scaled(path)).all()]


def scaled(path: Path) -> NDArray[np.float64]:
    with Image.open(path) as image:
        image.draft("L", (8 * SIDE, 8 * SIDE))
        grey = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    rest = grey - grey.mean(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return rest / np.sqrt((rest**2).sum())


def likeness(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return max(float((one * other).sum()), float((one * other[:, ::-1]).sum()))


if __name__ == "__main__":
    main()
