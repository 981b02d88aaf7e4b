"""``flowzoo upscale``: a picture of coarse images and what a trained model makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowzoo.cli.console import complain, say
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.errors import OptionError
from flowzoo.seeds import check_seed

if TYPE_CHECKING:
    from flowzoo.runfolder import RunRecord
    from flowzoo.shapes import Images

MOST_IMAGES = 100
"""Rows of the picture, at most."""


def upscale(
    run: Annotated[Path, typer.Argument(help="Run folder, as flowzoo train made it.")],
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="How many levels to scale up.", show_default="all"),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", min=1, max=32, help="How many to draw of each.")] = 4,
    temperature: Annotated[float, typer.Option("--temperature", help="Sampling temperature.")] = 1.0,
    split: Annotated[
        str | None, typer.Option("--split", help="train, validation or test.", show_default="test")
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(
            "--images", min=1, max=MOST_IMAGES, help="How many images of the split.", show_default="8"
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option("--input", help="Scale this picture up instead; it has to have the coarse size."),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="PNG file to write.")] = Path("upscaled.png"),
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images at once.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="Makes the picture repeatable.")] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    assignments: MovedOption = None,
) -> None:
    """Scale images of the run's data set down, and up again in several ways, into one picture.

    Each row: the coarse image, up-scaled without noise, draws, the original. The coarse image is
    the one that the model itself goes on with, and every up-scaling comes back to it (but for
    models that draw their coarse images, as msflow-image does). More images or more draws change
    none of those before.

    To scale up a small picture of your own, of 4x4 pixels where the model goes on with such:

    flowzoo upscale runs/first --steps 2 --input small.png --draws 8
    """
    check_seed(seed)
    moved = read_moved(assignments)
    if picture is not None and (split is not None or images is not None or moved):
        raise OptionError(
            "--input takes the place of the run's data; leave out --split and --images, and --set too"
        )
    import torch

    from flowzoo import scaling
    from flowzoo.cli.progress import counting
    from flowzoo.device import prepare_device
    from flowzoo.pictures import Grid, check_picture_path, load_picture
    from flowzoo.runfolder import RunFolder

    check_picture_path(output)
    folder = RunFolder(run)
    record = folder.read()
    flow = folder.load_model(str(prepare_device(device)))
    steps = steps or max(1, len(flow.levels) - 1)
    shape = scaling.coarse_shape(flow, steps)
    if picture is not None:
        coarse, original = load_picture(picture, shape), None
    else:
        original = _images(record, moved, split or "test", images or 8, seed)
        coarse = scaling.downscale(flow, original, steps).cpu()
    count, columns = len(coarse), 2 + draws + (original is not None)
    grid = Grid(count * columns, flow.image_shape, flow.bins, columns)

    def fill(column: int, tiles: Images) -> None:
        grid.place(tiles, range(column, count * columns, columns))

    with counting("images") as progress:
        fill(0, torch.nn.functional.interpolate(coarse, flow.image_shape[1:], mode="nearest"))
        # Draws lie as many images apart as there can be, so that none depends on how many there are.
        noises = [(0.0, 0), *((temperature, draw * MOST_IMAGES) for draw in range(draws))]
        for place, (spread, first) in enumerate(noises, start=1):
            fill(
                place,
                scaling.upscale(flow, coarse, steps, spread, seed, first=first, batch_size=batch_size),
            )
            progress(place * count, len(noises) * count)
        if original is not None:
            fill(columns - 1, original)
    grid.save(output)
    size = f"{shape[1]}x{shape[2]}"
    end = "" if original is None else ", the original"
    say(f"wrote {output}")
    say(f"columns: the {size} image, without noise, {draws} draw(s) at temperature {temperature:g}{end}")


def _images(record: RunRecord, moved: Mapping[str, Any], split: str, count: int, seed: int) -> Images:
    """Return the first images of a split of the run's data set, dequantised."""
    from flowzoo.call import Call, per_image_generators
    from flowzoo.dequantisation import dequantise
    from flowzoo.rundata import load_run_data

    data = load_run_data(record, moved)
    dataset = data.dataset
    source = dataset.split(split)
    if split in data.changes:
        complain(f"note: {data.changes[split]}")
    indices = range(min(count, len(source)))
    call = Call(generator=per_image_generators(seed, indices))
    return dequantise(source.take(indices), dataset.info.bins, call)
