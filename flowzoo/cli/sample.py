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

COUNT = 64
"""Number of images without --count."""

COUNT_OF_EACH = 10
"""Number of images of each class, where there are several."""


def sample(
    run: ModelArgument,
    count: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--count",
            min=1,
            help="Number of images to draw; with --class, of each class.",
            show_default=f"{COUNT}, or {COUNT_OF_EACH} of each class",
        ),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            help="Draw images of this class, for a model that was trained with classes: a number from 0 on, "
            "or all. Give it several times for several classes, a row for each.",
        ),
    ] = None,
    guidance: Annotated[
        float,
        typer.Option(
            "--guidance",
            help="For continuous flows, with --class: above 1, images look more like their class and vary "
            "less. They are then no samples of the model's density.",
        ),
    ] = 1.0,
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
            "--columns",
            min=1,
            help="Number of images in a row.",
            show_default="a square picture; with --class one row for each class",
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
    if not separate and count is not None:
        _check_grid(count)
    output = output or Path("samples" if separate else "samples.png")
    from flowzoo.cli.progress import counting
    from flowzoo.device import prepare_device
    from flowzoo.files import check_output_folder, whole_folder
    from flowzoo.loading import load_model
    from flowzoo.pictures import Grid, check_picture_path, save_each

    (check_output_folder if separate else check_picture_path)(output)
    flow = load_model(run, prepare_device(device))
    labels: list[int] | None = None
    if classes:
        wanted = _parse_classes(classes, flow.classes)
        each = count or (COUNT if len(wanted) == 1 else COUNT_OF_EACH)
        labels = [number for number in wanted for _ in range(each)]
        columns = columns or (each if len(wanted) > 1 else None)
    count = len(labels) if labels else count or COUNT
    if not separate:
        _check_grid(count)
    batches = flow.sample_batches(count, temperatures, seed, batch_size, labels, guidance)
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


def _check_grid(count: int) -> None:
    if count > MOST_IN_A_GRID:
        raise OptionError(
            f"one picture holds at most {MOST_IN_A_GRID:,} images, and these are {count:,}. Draw fewer, or "
            "add --separate for one file each"
        )


def _parse_classes(given: list[str], classes: int) -> list[int]:
    """Return the numbers of classes; which of them there are is checked when they are drawn."""
    if "all" in given:
        return list(range(max(1, classes)))
    try:
        return [int(each) for each in given]
    except ValueError as error:
        raise OptionError(
            f"--class is '{', '.join(given)}'. Give the number of a class, from 0 on, or all"
        ) from error
