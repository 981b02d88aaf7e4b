"""``flowzoo sample``: a picture of what a trained model draws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.console import say
from flowzoo.errors import OptionError
from flowzoo.seeds import check_seed


def sample(
    run: Annotated[Path, typer.Argument(help="Run folder, as flowzoo train made it.")],
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=10_000, help="How many images.")] = 64,
    output: Annotated[Path, typer.Option("-o", "--output", help="PNG file to write.")] = Path("samples.png"),
    temperature: Annotated[
        str, typer.Option("--temperature", help="One number, or one a level, coarsest first: 1,0.8,0.8.")
    ] = "1",
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Images at once.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="Makes the picture repeatable.")] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
) -> None:
    """Draw images from a trained run into one picture.

    The first images of a seed are the same however many are drawn, and whatever the batch size.
    """
    temperatures = _parse_temperature(temperature)
    check_seed(seed)
    from flowzoo.cli.progress import counting
    from flowzoo.device import prepare_device
    from flowzoo.pictures import Grid, check_picture_path
    from flowzoo.runfolder import RunFolder

    check_picture_path(output)
    flow = RunFolder(run).load_model(str(prepare_device(device)))
    given = temperatures if len(temperatures) > 1 else temperatures[0]
    grid = Grid(count, flow.image_shape, flow.bins)
    done = 0
    with counting("images") as progress:
        for images in flow.sample_batches(count, given, seed, batch_size):
            grid.place(images, range(done, done + len(images)))
            done += len(images)
            progress(done, count)
    grid.save(output)
    say(f"wrote {output}")


def _parse_temperature(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(
            f"--temperature takes a number, or one a level, coarsest first, as in 1,0.8; got '{text}'"
        ) from error
