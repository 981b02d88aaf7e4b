"""``flowzoo inpaint``: missing parts of images, drawn given the rest."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.cli.subject import DataOption, DeviceOption, DrawSeedOption, ModelArgument
from flowzoo.errors import OptionError
from flowzoo.seeds import check_seed

if TYPE_CHECKING:
    from torch import Tensor

    from flowzoo.shapes import Shape


class Region(StrEnum):
    """Parts of an image that can be missing."""

    TOP = "top"
    BOTTOM = "bottom"
    LEFT = "left"
    RIGHT = "right"
    CENTRE = "centre"


def inpaint(
    run: ModelArgument,
    region: Annotated[
        Region | None,
        typer.Option(
            "--missing",
            help="The missing half of each image, or its centre (half of its height and width).",
            show_default="bottom",
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            "--mask",
            help="Picture of the model's size, bright where pixels are missing, in place of --missing.",
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Steps of each Markov chain. More steps are more exact.")
    ] = 200,
    draws: Annotated[
        int, typer.Option("--draws", min=1, max=32, help="Number of random completions of each image.")
    ] = 4,
    split: SplitOption = None,
    images: ImagesOption = None,
    pictures: PicturesOption = None,
    label: ClassOption = None,
    output: PictureOption = Path("inpainted.png"),
    batch_size: Annotated[
        int,
        typer.Option("--batch-size", min=1, help="Number of chains at once. Lower it if memory runs out."),
    ] = 100,
    seed: DrawSeedOption = 0,
    device: DeviceOption = "auto",
    data: DataOption = None,
    assignments: MovedOption = None,
) -> None:
    """Draw missing parts of images from a trained model's density, given the rest.

    Each row shows an image, its known pixels, and several completions. Each completion is the end of a Markov
    chain (Langevin dynamics with a Metropolis test). It is exact in the limit of many steps. After few steps
    it is an approximation: compare the pictures for two numbers of steps. The share of accepted
    proposals is printed; it is about 57 % if the chains work well.

    This needs a model whose log p(x) is exact, such as glow, realnvp, lcma, pnf or wavelet-flow.
    """
    check_seed(seed)
    moved = read_moved(assignments)
    if region is not None and mask is not None:
        raise OptionError("--missing and --mask both say which pixels are missing. Leave one of them out")
    import torch

    from flowzoo.cli.progress import adding
    from flowzoo.device import prepare_device
    from flowzoo.latents.inpainting import inpaint as inpainted
    from flowzoo.latents.inpainting import require_exact
    from flowzoo.loading import load_model
    from flowzoo.pictures import Grid, check_picture_path, load_picture

    check_picture_path(output)
    flow = load_model(run, prepare_device(device))
    require_exact(flow)
    if mask is not None:
        missing = load_picture(mask, (1, *flow.image_shape[1:]))[0, 0] >= 0.5
    else:
        missing = _region(region or Region.BOTTOM, flow.image_shape)
    given, own = load_rows(
        run, flow, pictures=pictures, images=images, split=split, data=data, moved=moved, seed=seed
    )
    original, labels = given.cpu(), parse_class(label, flow, own)
    with adding("steps of chains", len(original) * draws * steps) as report:
        found = inpainted(
            flow,
            original,
            missing,
            steps,
            seed,
            draws=draws,
            labels=labels,
            batch_size=batch_size,
            progress=report,
        )
    columns = draws + 2
    total = len(original) * columns
    grid = Grid(total, flow.image_shape, flow.bins, columns)
    grid.place(original, range(0, total, columns))
    grid.place(torch.where(missing, 0.5, original), range(1, total, columns))
    for draw in range(draws):
        grid.place(found.images[:, draw], range(draw + 2, total, columns))
    grid.save(output)
    say(f"wrote {output}")
    say(f"columns: the original, its known pixels, {draws} completion(s) after {steps} steps")
    shares = found.acceptance
    say(
        f"accepted proposals: {float(shares.mean()):.0%} on average over {shares.numel()} chain(s), "
        f"{float(shares.min()):.0%} to {float(shares.max()):.0%}"
    )


def _region(region: Region, shape: Shape) -> Tensor:
    """Return booleans ``(H, W)``, true in a region."""
    import torch

    _, height, width = shape
    missing = torch.zeros(height, width, dtype=torch.bool)
    rows, columns = {
        Region.TOP: (slice(height // 2), slice(None)),
        Region.BOTTOM: (slice(height // 2, None), slice(None)),
        Region.LEFT: (slice(None), slice(width // 2)),
        Region.RIGHT: (slice(None), slice(width // 2, None)),
        Region.CENTRE: (
            slice(height // 4, height - height // 4),
            slice(width // 4, width - width // 4),
        ),
    }[region]
    missing[rows, columns] = True
    return missing
