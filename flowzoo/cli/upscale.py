"""``flowzoo upscale``: coarse images and what a trained model makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowzoo.cli.console import say
from flowzoo.cli.images import (
    MOST_IMAGES,
    ClassOption,
    ImagesOption,
    SplitOption,
    open_split,
    parse_class,
)
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.cli.subject import BatchSizeOption, DataOption, DeviceOption, DrawSeedOption, ModelArgument
from flowzoo.errors import OptionError
from flowzoo.seeds import check_seed

if TYPE_CHECKING:
    from flowzoo.shapes import Images


def upscale(
    run: ModelArgument,
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="Number of levels to scale up.", show_default="all"),
    ] = None,
    draws: Annotated[
        int, typer.Option("--draws", min=1, max=32, help="Number of random up-scalings of each image.")
    ] = 4,
    temperature: Annotated[
        float, typer.Option("--temperature", help="Sampling temperature. 0 means no noise.")
    ] = 1.0,
    split: SplitOption = None,
    images: ImagesOption = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--input",
            help="Scale this picture up instead of images of a data set. It must have the coarse size.",
        ),
    ] = None,
    label: ClassOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="PNG file to write; a folder with --separate.",
            show_default="upscaled.png, or upscaled",
        ),
    ] = None,
    separate: Annotated[
        bool,
        typer.Option(
            "--separate", help="Write each image to a PNG file of its own, such as 0000-draw-1.png."
        ),
    ] = False,
    batch_size: BatchSizeOption = 100,
    seed: DrawSeedOption = 0,
    device: DeviceOption = "auto",
    data: DataOption = None,
    assignments: MovedOption = None,
) -> None:
    """Scale images of a data set down, and up again in several ways, into one picture.

    Each row shows the coarse image, its up-scaling without noise, several random up-scalings, and the
    original. The coarse image is the one that the model itself goes on with, and every up-scaling comes
    back to it (except in models that draw their coarse images, such as msflow-image). More images or more
    draws change none of those before.

    A small picture of your own is scaled up with --input. It must have the size of the coarse image, for
    example 4x4 pixels: flowzoo upscale runs/first --steps 2 --input small.png --draws 8
    """
    check_seed(seed)
    moved = read_moved(assignments)
    if picture is not None and (split or images or data or moved):
        raise OptionError(
            "--input replaces the images of the data set, so --split, --images, --data and --set have no "
            "use. Leave them out"
        )
    output = output or Path("upscaled" if separate else "upscaled.png")
    import torch

    from flowzoo import scaling
    from flowzoo.cli.progress import counting
    from flowzoo.device import prepare_device
    from flowzoo.files import check_output_folder, whole_folder
    from flowzoo.loading import load_model
    from flowzoo.pictures import Grid, check_picture_path, load_picture, save_each

    (check_output_folder if separate else check_picture_path)(output)
    flow = load_model(run, prepare_device(device))
    steps = steps or max(1, len(flow.levels) - 1)
    shape = scaling.coarse_shape(flow, steps)
    if picture is not None:
        coarse, original = load_picture(picture, shape), None
        labels = parse_class(label, flow)
    else:
        taken = open_split(run, flow, data, moved, split or "test")
        original, own = taken.first(images or 8, seed)
        labels = parse_class(label, flow, own)
        coarse = scaling.downscale(flow, original, steps).cpu()
    count, columns = len(coarse), 2 + draws + (original is not None)

    def results() -> Iterator[tuple[str, Images]]:
        """Yield each column, with what its files are called."""
        yield "small", coarse
        # Draws lie as many images apart as there can be, so that none depends on how many there are.
        noises = [("plain", 0.0, 0), *((f"draw-{n + 1}", temperature, n * MOST_IMAGES) for n in range(draws))]
        for done, (name, noise, first) in enumerate(noises):
            progress(done * count, len(noises) * count)
            yield (
                name,
                scaling.upscale(
                    flow, coarse, steps, noise, seed, first=first, labels=labels, batch_size=batch_size
                ),
            )
        progress(len(noises) * count, len(noises) * count)
        if original is not None:
            yield "original", original

    with counting("images") as progress:
        if separate:
            with whole_folder(output) as draft:
                for name, tiles in results():
                    save_each(tiles, [draft / f"{row:04}-{name}.png" for row in range(count)], flow.bins)
        else:
            grid = Grid(count * columns, flow.image_shape, flow.bins, columns)
            for column, (_, tiles) in enumerate(results()):
                whole = torch.nn.functional.interpolate(tiles, flow.image_shape[1:], mode="nearest")
                grid.place(whole, range(column, count * columns, columns))
            grid.save(output)
    end = "" if original is None else ", the original"
    say(f"wrote {output}")
    say(
        f"{'files' if separate else 'columns'}: the {shape[1]}x{shape[2]} image, without noise, {draws} "
        f"draw(s) at temperature {temperature:g}{end}"
    )
