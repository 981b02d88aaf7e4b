"""``flowzoo reconstruct``: images of which some levels are kept, and the others are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.console import say
from flowzoo.cli.images import (
    ClassOption,
    ImagesOption,
    PictureOption,
    PicturesOption,
    SplitOption,
    load_rows,
    parse_class,
)
from flowzoo.cli.levels import named_levels, parse_levels
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.cli.subject import BatchSizeOption, DataOption, DeviceOption, DrawSeedOption, ModelArgument
from flowzoo.cli.temperature import TemperatureOption, parse_temperature
from flowzoo.seeds import check_seed


def reconstruct(
    run: ModelArgument,
    keep: Annotated[
        str,
        typer.Option(
            "--keep",
            help="Levels whose latents are kept, 0 being the finest: numbers such as 1,2, or all, or none.",
        ),
    ],
    draws: Annotated[
        int, typer.Option("--draws", min=1, max=32, help="Number of random images for each image.")
    ] = 4,
    temperature: TemperatureOption = "1",
    split: SplitOption = None,
    images: ImagesOption = None,
    pictures: PicturesOption = None,
    label: ClassOption = None,
    output: PictureOption = Path("reconstructed.png"),
    batch_size: BatchSizeOption = 100,
    seed: DrawSeedOption = 0,
    device: DeviceOption = "auto",
    data: DataOption = None,
    assignments: MovedOption = None,
) -> None:
    """Show what each level of a trained model holds: keep the latents of some levels, draw the others.

    Each row shows an image and several images that share the kept latents with it. What they have in common
    is what the kept levels hold. --keep all gives back the image, and --keep none draws as flowzoo sample
    does. More images or more draws change none of those before.
    """
    check_seed(seed)
    moved = read_moved(assignments)
    temperatures = parse_temperature(temperature)
    from flowzoo.cli.progress import adding
    from flowzoo.device import prepare_device
    from flowzoo.latents.reconstruction import reconstruct as reconstructed
    from flowzoo.loading import load_model
    from flowzoo.pictures import Grid, check_picture_path

    check_picture_path(output)
    flow = load_model(run, prepare_device(device))
    kept = parse_levels(keep, "--keep", flow)
    original, own = load_rows(
        run, flow, pictures=pictures, images=images, split=split, data=data, moved=moved, seed=seed
    )
    labels = parse_class(label, flow, own)
    total = len(original) * (draws + 1)
    with adding("images", total) as report:
        rows = reconstructed(
            flow,
            original,
            kept,
            temperatures,
            seed,
            draws=draws,
            labels=labels,
            batch_size=batch_size,
            progress=report,
        )
    grid = Grid(total, flow.image_shape, flow.bins, draws + 1)
    grid.place(original, range(0, total, draws + 1))
    for draw in range(draws):
        grid.place(rows[:, draw], range(draw + 1, total, draws + 1))
    grid.save(output)
    say(f"wrote {output}")
    say(
        f"columns: the original, {draws} draw(s) at temperature {temperature} that keep the latents of "
        f"{named_levels(kept, flow)}"
    )
