"""Make the pictures of docs/gallery.md: each command about images on a trained model of each family.

Run it with the folder of the suite ``quick``, which keeps its models::

    python benchmarks/gallery.py benchmarks/results/suites/quick docs/images

It also prints which families refuse a command, and why.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw
from typer.testing import CliRunner

from flowzoo.cli.app import app
from flowzoo.loading import load_model

FAMILIES = (
    *("gaussian", "realnvp", "glow", "lcma", "pnf", "wavelet-flow"),
    *("tarflow", "ffjord", "rnode", "mrcnf", "msflow-wavelet", "msflow-image"),
)
TILE = 66
"""Side of an image in the commands' pictures, with its margin."""

LABEL = 96
SHRINK = 2
DATA = ("--data", "digits")


@dataclass(frozen=True)
class Shown:
    """A command whose pictures are shown.

    Attributes:
        name: The command.
        options: Its options, given the number of the model's levels; None for models to leave out.
    """

    name: str
    options: Callable[[int], Sequence[str] | None]


def _reconstructed(levels: int) -> Sequence[str] | None:
    keep = ",".join(map(str, range(1, levels)))
    return ("--keep", keep, *DATA, "--images", "2", "--draws", "5") if keep else None


COMMANDS = (
    Shown("sample", lambda levels: ("-n", "12", "--columns", "12")),
    Shown("interpolate", lambda levels: (*DATA, "--images", "1", "--steps", "12", "--path", "spherical")),
    Shown("reconstruct", _reconstructed),
    Shown("project", lambda levels: (*DATA, "--images", "4")),
    Shown("inpaint", lambda levels: (*DATA, "--images", "2", "--draws", "4", "--missing", "top")),
    Shown("upscale", lambda levels: (*DATA, "--images", "2", "--draws", "3")),
    Shown("unfold", lambda levels: ("-n", "4")),
    Shown("splits", lambda levels: ()),
)


def main() -> None:
    """Run the commands, and write one picture for each of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("output", type=Path)
    asked = parser.parse_args()
    folders = {name: next(asked.results.glob(f"*--{name}--seed0--*.model")) for name in FAMILIES}
    levels = {name: len(load_model(folder).levels) for name, folder in folders.items()}
    for command in COMMANDS:
        rows: dict[str, Image.Image] = {}
        for name, folder in folders.items():
            options = command.options(levels[name])
            if options is None:
                continue
            print(f"{command.name} {name}", file=sys.stderr)
            found = _run(command.name, folder, options)
            if isinstance(found, str):
                print(f"{command.name} {name}: {found}")
            else:
                rows[name] = found
        _stacked(rows).save(asked.output / f"gallery-{command.name}.png", optimize=True)


def _run(command: str, folder: Path, options: Sequence[str]) -> Image.Image | str:
    """Return a command's picture in one row; or what it says if it refuses the model."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "picture.png"
        result = CliRunner().invoke(app, [command, str(folder), *options, "-o", str(path)])
        if result.exit_code:
            return result.stderr.strip().splitlines()[-1]
        with Image.open(path) as picture:
            whole = picture.convert("RGB")
    if command == "splits":
        return whole.resize((whole.width // 2, whole.height // 2), Image.Resampling.LANCZOS)
    return _in_a_row(whole)


def _in_a_row(grid: Image.Image) -> Image.Image:
    """Put the rows of a grid side by side, and make it smaller."""
    rows = grid.height // TILE
    made = Image.new("RGB", (rows * grid.width, TILE + 2), "white")
    for row in range(rows):
        box = (0, row * TILE, grid.width, row * TILE + TILE + 2)
        made.paste(grid.crop(box), (row * grid.width, 0))
    return made.resize((made.width // SHRINK, made.height // SHRINK), Image.Resampling.NEAREST)


def _stacked(rows: dict[str, Image.Image]) -> Image.Image:
    """Put pictures below each other, with names to their left, in few colours."""
    width = LABEL + max(each.width for each in rows.values())
    made = Image.new("RGB", (width, sum(each.height for each in rows.values())), "white")
    draw, top = ImageDraw.Draw(made), 0
    for name, each in rows.items():
        draw.text((4, top + min(each.height, TILE) // 2 - 6), name, fill="black")
        made.paste(each, (LABEL, top))
        top += each.height
    return made.quantize(48, method=Image.Quantize.MAXCOVERAGE)


if __name__ == "__main__":
    main()
