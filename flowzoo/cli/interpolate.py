"""``flowzoo interpolate``: images along paths between the latents of two images."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowzoo.cli.console import say
from flowzoo.cli.images import (
    MOST_IMAGES,
    OWN,
    ClassOption,
    NoiseSeedOption,
    OpenSplit,
    PictureOption,
    Rows,
    SplitOption,
    open_split,
    parse_class,
)
from flowzoo.cli.levels import named_levels, parse_levels
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.cli.subject import BatchSizeOption, DataOption, DeviceOption, ModelArgument
from flowzoo.errors import OptionError
from flowzoo.seeds import check_seed

if TYPE_CHECKING:
    from torch import Tensor

    from flowzoo.flow import Flow


class Shape(StrEnum):
    """Shapes of a path."""

    LINEAR = "linear"
    SPHERICAL = "spherical"


EndOption = Annotated[
    list[str] | None,
    typer.Option(
        "--to",
        help="Last image of a path, given like --from. Give as many as of --from.",
        metavar="NUMBER|FILE",
        show_default=False,
    ),
]


def interpolate(
    run: ModelArgument,
    pairs: Annotated[
        int | None,
        typer.Option(
            "--images",
            min=1,
            max=MOST_IMAGES,
            help="Number of pairs: images 0 and 1 of the split, 2 and 3, and so on.",
            show_default="6",
        ),
    ] = None,
    start: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            help="First image of a path: its number in the split, counted from 0, or a picture file of the "
            "model's size. May be given several times.",
            metavar="NUMBER|FILE",
            show_default=False,
        ),
    ] = None,
    end: EndOption = None,
    steps: Annotated[
        int, typer.Option("--steps", min=2, max=64, help="Number of images on a path, with both ends.")
    ] = 9,
    path: Annotated[
        Shape,
        typer.Option(
            "--path",
            help="linear: a straight line between the latents. spherical: an arc around the origin, level by "
            "level, on which the norm changes evenly.",
        ),
    ] = Shape.LINEAR,
    levels: Annotated[
        str,
        typer.Option(
            "--levels",
            help="Levels whose latents move, 0 being the finest, as in 0,1. The others keep those of the "
            "first image.",
        ),
    ] = "all",
    split: SplitOption = None,
    label: ClassOption = None,
    output: PictureOption = Path("interpolated.png"),
    batch_size: BatchSizeOption = 100,
    seed: NoiseSeedOption = 0,
    device: DeviceOption = "auto",
    data: DataOption = None,
    assignments: MovedOption = None,
) -> None:
    """Draw the images on the way from one image to another, through the latents of a trained model.

    Each row is one pair. Its first and last image are the two given ones. With --levels, only the latents of
    these levels move, so the path ends elsewhere; the second given image then stands in one more column.
    """
    check_seed(seed)
    moved = read_moved(assignments)
    if pairs and (start or end):
        raise OptionError("--images takes the first pairs, and --from and --to name some. Leave one out")
    if len(start or []) != len(end or []):
        raise OptionError(
            f"--from is given {len(start or [])} time(s) and --to {len(end or [])}. Give both for every pair"
        )
    if len(start or []) > MOST_IMAGES:
        raise OptionError(f"one picture holds at most {MOST_IMAGES} pairs. Give fewer")
    from flowzoo.cli.progress import adding
    from flowzoo.device import prepare_device
    from flowzoo.latents.interpolation import interpolate as interpolated
    from flowzoo.loading import load_model
    from flowzoo.pictures import Grid, check_picture_path

    check_picture_path(output)
    flow = load_model(run, prepare_device(device))
    moving = parse_levels(levels, "--levels", flow)
    if start and end:
        given = [*start, *end]
        if not any(map(_is_number, given)) and (split or data or moved):
            raise OptionError("--from and --to name picture files, so --split, --data and --set have no use")
        ends = _named(run, flow, given, data, moved, split or "test", seed)
        firsts, lasts = slice(len(start)), slice(len(start), None)
    else:
        opened = open_split(run, flow, data, moved, split or "test")
        ends = _pairs(opened, pairs, seed)
        firsts, lasts = slice(0, None, 2), slice(1, None, 2)
    first, last = ends.images[firsts], ends.images[lasts]
    labels = parse_class(label, flow, ends.labels)
    if label == OWN and ends.labels is not None:
        labels = _of_pairs(ends.labels[firsts], ends.labels[lasts])
    whole = len(moving) == len(flow.levels)
    columns = steps + (not whole)
    total = len(first) * (steps + 2)
    with adding("images", total) as report:
        rows = interpolated(
            flow,
            first,
            last,
            steps,
            path=path.value,
            levels=moving,
            labels=labels,
            batch_size=batch_size,
            progress=report,
        ).cpu()
    grid = Grid(len(first) * columns, flow.image_shape, flow.bins, columns)
    for row, (images, target) in enumerate(zip(rows, last.cpu(), strict=True)):
        grid.place(images, range(row * columns, row * columns + steps))
        if not whole:
            grid.place(target[None], [row * columns + steps])
    grid.save(output)
    say(f"wrote {output}")
    if whole:
        say(f"columns: {steps} images from the first to the second, {path.value}")
        off = max(
            float((rows[:, 0] - first.cpu()).abs().max()), float((rows[:, -1] - last.cpu()).abs().max())
        )
        say(f"the ends differ from the given images by at most {off:.1g} (pixels lie in [0, 1))")
    else:
        moves = named_levels(moving, flow)
        say(f"columns: {steps} images, {path.value}, on which the latents of {moves} move; the second image")


def _of_pairs(first: Tensor, last: Tensor) -> Tensor:
    """Return the class of each pair."""
    for number, (one, other) in enumerate(zip(first.tolist(), last.tolist(), strict=True), 1):
        if one != other:
            raise OptionError(
                f"--class is own, and the images of pair {number} have the classes {one} and {other}. A path "
                "needs one class: give its number, or choose images of one class with --from and --to"
            )
    return first


def _pairs(opened: OpenSplit, pairs: int | None, seed: int) -> Rows:
    """Return the images of the first pairs of a split."""
    there = len(opened.source) // 2
    if not there or (pairs or 1) > there:
        raise OptionError(
            f"there are no {pairs or 1} pairs of images: {opened.name} has {len(opened.source):,} image(s). "
            "Choose a smaller --images, or another --split"
        )
    return opened.at(range(2 * (pairs or min(6, there))), seed)


def _named(
    run: Path,
    flow: Flow,
    given: Sequence[str],
    data: str | None,
    moved: Mapping[str, Any],
    split: str,
    seed: int,
) -> Rows:
    """Return images that are given by their numbers in a split, or as files, which have no labels."""
    import torch
    from torch import Tensor

    from flowzoo.pictures import load_picture

    opened = open_split(run, flow, data, moved, split) if any(map(_is_number, given)) else None
    found, labels = [], list[Tensor]()
    for text in given:
        if opened is not None and _is_number(text):
            images, own = opened.at([int(text)], seed)
            found.append(images.cpu().double())
            labels += [] if own is None else [own]
        else:
            found.append(load_picture(Path(os.path.expanduser(text)), flow.image_shape))
    return Rows(torch.cat(found), torch.cat(labels) if len(labels) == len(given) else None)


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
