"""``flowzoo sample``: images that a trained model draws, as one picture or as one file each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowzoo.cli.console import say
from flowzoo.cli.subject import BatchSizeOption, DeviceOption, DrawSeedOption, ModelArgument
from flowzoo.cli.temperature import TemperatureOption, parse_temperature
from flowzoo.errors import OptionError
from flowzoo.seeds import check_seed

if TYPE_CHECKING:
    from flowzoo.shapes import Images

MOST_IN_A_GRID = 10_000


def sample(
    run: ModelArgument,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="Number of images to draw.")] = 64,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="PNG file to write; a folder with --separate.",
            show_default="samples.png, or samples",
        ),
    ] = None,
    separate: Annotated[
        bool, typer.Option("--separate", help="Write each image to a PNG file of its own, at its own size.")
    ] = False,
    columns: Annotated[
        int | None,
        typer.Option(
            "--columns", min=1, help="Number of images in a row.", show_default="as many as there are rows"
        ),
    ] = None,
    temperature: TemperatureOption = "1",
    batch_size: BatchSizeOption = 100,
    seed: DrawSeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Draw images from a trained model into one picture, or into a folder of pictures.

    The first images of a seed stay the same, however many you draw and whatever the batch size.
    """
    temperatures = parse_temperature(temperature)
    check_seed(seed)
    if separate and columns is not None:
        raise OptionError("--columns lays out one picture, and --separate writes many. Leave one of them out")
    if not separate and count > MOST_IN_A_GRID:
        raise OptionError(
            f"one picture holds at most {MOST_IN_A_GRID:,} images, and --count is {count:,}. Draw fewer, or "
            "add --separate for one file each"
        )
    output = output or Path("samples" if separate else "samples.png")
    from flowzoo.cli.progress import counting
    from flowzoo.device import prepare_device
    from flowzoo.files import check_output_folder, whole_folder
    from flowzoo.loading import load_model
    from flowzoo.pictures import Grid, check_picture_path, save_each

    (check_output_folder if separate else check_picture_path)(output)
    flow = load_model(run, prepare_device(device))
    batches = flow.sample_batches(count, temperatures, seed, batch_size)
    with counting("images") as progress:
        if separate:
            digits = max(4, len(str(count - 1)))
            with whole_folder(output) as draft:
                for places, images in _numbered(batches, count, progress):
                    save_each(images, [draft / f"{place:0{digits}}.png" for place in places], flow.bins)
        else:
            grid = Grid(count, flow.image_shape, flow.bins, columns)
            for places, images in _numbered(batches, count, progress):
                grid.place(images, places)
            grid.save(output)
    say(f"wrote {output}")


def _numbered(
    batches: Iterable[Images], count: int, progress: Callable[[int, int], None]
) -> Iterator[tuple[range, Images]]:
    """Yield batches with the numbers of their images, and report how many are done."""
    done = 0
    for images in batches:
        yield range(done, done + len(images)), images
        done += len(images)
        progress(done, count)
