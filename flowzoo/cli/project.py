"""``flowzoo project``: images without noise in the finest levels, and how far they are from the originals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.console import complain, say
from flowzoo.cli.images import (
    ClassOption,
    ImagesOption,
    NoiseSeedOption,
    PictureOption,
    PicturesOption,
    SplitOption,
    load_rows,
    parse_class,
)
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.cli.subject import BatchSizeOption, DataOption, DeviceOption, ModelArgument
from flowzoo.errors import OptionError
from flowzoo.seeds import check_seed


def project(
    run: ModelArgument,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            min=1,
            help="Number of levels, from the finest, whose latents become zero.",
            show_default="all but the coarsest",
        ),
    ] = None,
    split: SplitOption = None,
    images: ImagesOption = None,
    pictures: PicturesOption = None,
    label: ClassOption = None,
    output: PictureOption = Path("projected.png"),
    batch_size: BatchSizeOption = 100,
    seed: NoiseSeedOption = 0,
    device: DeviceOption = "auto",
    data: DataOption = None,
    assignments: MovedOption = None,
) -> None:
    """Project images onto those that a trained model returns for zero noise in its finest levels.

    Each row shows an image, its projection, and their difference: grey where they agree, bright where the
    image is brighter. The distance is printed: the root mean square over all pixels, which lie in [0, 1).
    """
    check_seed(seed)
    moved = read_moved(assignments)
    from flowzoo import scaling
    from flowzoo.cli.progress import adding
    from flowzoo.device import prepare_device
    from flowzoo.loading import load_model
    from flowzoo.pictures import Grid, check_picture_path

    check_picture_path(output)
    flow = load_model(run, prepare_device(device))
    if len(flow.levels) < 2:
        raise OptionError(
            "this model has one level, so without its noise every image is the same. Use a model with "
            "several levels"
        )
    zeroed = steps or len(flow.levels) - 1
    scaling.check_steps(flow, zeroed)
    original, own = load_rows(
        run, flow, pictures=pictures, images=images, split=split, data=data, moved=moved, seed=seed
    )
    labels = parse_class(label, flow, own)
    with adding("images", len(original)) as report:
        projected = scaling.project(
            flow, original, zeroed, labels=labels, batch_size=batch_size, progress=report
        ).cpu()
    difference = original.cpu().double() - projected
    grid = Grid(3 * len(original), flow.image_shape, flow.bins, 3)
    for column, tiles in enumerate((original, projected, 0.5 + difference / 2)):
        grid.place(tiles, range(column, 3 * len(original), 3))
    grid.save(output)
    say(f"wrote {output}")
    say(f"columns: the original, its projection with zero noise in {zeroed} level(s), the difference")
    each = difference.square().flatten(1).mean(1).sqrt()
    say(
        f"distance (RMSE): {float(each.mean()):.4f} on average over {len(each)} image(s), "
        f"{float(each.min()):.4f} to {float(each.max()):.4f}"
    )
    if flow.stochastic:
        complain("note: this model draws its coarse images, so projecting once more gives another image")
