"""``flowzoo upscale``: a picture of coarse images and what a trained model makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowzoo.cli.console import complain
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.errors import OptionError
from flowzoo.seeds import check_seed

if TYPE_CHECKING:
    from flowzoo.flow import Flow
    from flowzoo.runfolder import RunRecord
    from flowzoo.shapes import Images


def upscale(
    run: Annotated[Path, typer.Argument(help="Run folder, as flowzoo train made it.")],
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="Through how many of the finest levels.", show_default="all"),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", min=1, max=32, help="How many to draw of each.")] = 4,
    temperature: Annotated[float, typer.Option("--temperature", help="Of the draws.")] = 1.0,
    split: Annotated[
        str | None, typer.Option("--split", help="train, validation or test.", show_default="test")
    ] = None,
    images: Annotated[
        int | None,
        typer.Option("--images", min=1, max=100, help="Use so many images of the split.", show_default="8"),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option("--input", help="Scale this picture up instead; it has to have the coarse size."),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="PNG file to write.")] = Path("upscaled.png"),
    seed: Annotated[int, typer.Option("--seed", help="Makes the picture repeatable.")] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    assignments: MovedOption = None,
) -> None:
    """Scale images of the run's data set down, and up again in several ways, into one picture.

    Each row: the coarse image, up-scaled without noise, draws, the original. The coarse image is
    the one that the model itself goes on with, and every up-scaling comes back to it (but for
    models that draw their coarse images, as msflow-image does).

    To scale up a small picture of your own, of 4x4 pixels where the model goes on with such:

    flowzoo upscale runs/first --steps 2 --input small.png --draws 8
    """
    check_seed(seed)
    moved = read_moved(assignments)
    if picture is not None and (split is not None or images is not None or moved):
        raise OptionError(
            "--input takes the place of the run's data; leave out --split and --images, and --set too"
        )
    from flowzoo import scaling
    from flowzoo.device import prepare_device
    from flowzoo.pictures import check_picture_path, load_picture, save_grid
    from flowzoo.registry.saving import load_model
    from flowzoo.runfolder import RunFolder

    check_picture_path(output)
    folder = RunFolder(run)
    record = folder.read()
    flow = load_model(folder.model, device=str(prepare_device(device)))
    steps = steps or max(1, len(flow.levels) - 1)
    shape = scaling.coarse_shape(flow, steps)
    if picture is not None:
        coarse, original = load_picture(picture, shape), None
    else:
        original = _images(record, moved, split or "test", images or 8, seed)
        coarse = scaling.downscale(flow, original, steps).cpu()
    tiles, columns = _tiles(flow, coarse, original, steps, draws, temperature, seed)
    save_grid(tiles, output, flow.bins, columns)
    size = f"{shape[1]}x{shape[2]}"
    end = "" if original is None else ", the original"
    typer.echo(f"wrote {output}")
    typer.echo(
        f"columns: the {size} image, without noise, {draws} draw(s) at temperature {temperature:g}{end}"
    )


def _images(record: RunRecord, moved: Mapping[str, Any], split: str, count: int, seed: int) -> Images:
    """Return the first images of a split of the run's data set, dequantised."""
    import torch

    from flowzoo.dequantisation import dequantise
    from flowzoo.run import Run
    from flowzoo.rundata import load_run_data

    data = load_run_data(record, moved)
    dataset = data.dataset
    source = dataset.split(split)
    if split in data.changes:
        complain(f"note: {data.changes[split]}")
    integers = source.take(range(min(count, len(source))))
    return dequantise(integers, dataset.info.bins, Run(generator=torch.Generator().manual_seed(seed)))


def _tiles(
    flow: Flow,
    coarse: Images,
    original: Images | None,
    steps: int,
    draws: int,
    temperature: float,
    seed: int,
) -> tuple[Images, int]:
    """Return the tiles of all rows, row by row, and how many a row has."""
    import torch

    from flowzoo import scaling

    count = len(coarse)
    drawn = scaling.upscale(flow, coarse.repeat_interleave(draws, dim=0), steps, temperature, seed).cpu()
    columns = [
        torch.nn.functional.interpolate(coarse, flow.image_shape[1:], mode="nearest"),
        scaling.upscale(flow, coarse, steps, temperature=0.0).cpu(),
        *drawn.unflatten(0, (count, draws)).unbind(1),
    ]
    if original is not None:
        columns.append(original)
    return torch.stack(columns, dim=1).flatten(0, 1), len(columns)
