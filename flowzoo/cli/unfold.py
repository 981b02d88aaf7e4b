"""``flowzoo unfold``: how a draw comes about, from the coarsest level to the finest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.console import say
from flowzoo.cli.images import MOST_IMAGES, DrawnClassOption, parse_class
from flowzoo.cli.subject import BatchSizeOption, DeviceOption, DrawSeedOption, ModelArgument
from flowzoo.cli.temperature import TemperatureOption, parse_temperature
from flowzoo.errors import OptionError
from flowzoo.seeds import check_seed


def unfold(
    run: ModelArgument,
    count: Annotated[
        int, typer.Option("-n", "--count", min=1, max=MOST_IMAGES, help="Number of images to draw.")
    ] = 16,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="File to write: a GIF that shows one level after another, or a PNG with one row for each "
            "image and one column for each level.",
        ),
    ] = Path("unfolded.gif"),
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.02, max=60, help="How long the GIF shows each level.")
    ] = 0.8,
    label: DrawnClassOption = None,
    temperature: TemperatureOption = "1",
    batch_size: BatchSizeOption = 100,
    seed: DrawSeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Show how a trained model draws images, level by level, from the coarsest to the finest.

    If the levels keep smaller images, these are shown, enlarged. Other models, such as glow, show the image
    with zero noise in the levels that have not been drawn yet. The last images are those of flowzoo sample
    with the same seed.
    """
    check_seed(seed)
    temperatures = parse_temperature(temperature)
    if output.suffix.lower() not in (".gif", ".png"):
        raise OptionError(f"'{output}' ends neither in .gif nor in .png. Change the name")
    from torch.nn.functional import interpolate

    from flowzoo.cli.progress import adding
    from flowzoo.device import prepare_device
    from flowzoo.files import check_output
    from flowzoo.latents.unfolding import keeps_images
    from flowzoo.latents.unfolding import unfold as unfolded
    from flowzoo.loading import load_model
    from flowzoo.pictures import Grid, save_animation

    check_output(output)
    flow = load_model(run, prepare_device(device))
    labels = parse_class(label, flow)
    animated = output.suffix.lower() == ".gif"
    levels = len(flow.levels)
    grid = Grid(
        count if animated else count * levels, flow.image_shape, flow.bins, None if animated else levels
    )
    with adding("images", count) as report:
        stages = unfolded(flow, count, temperatures, seed, batch_size, report, labels)
    frames = []
    for place, images in enumerate(stages):
        whole = interpolate(images, flow.image_shape[1:], mode="nearest")
        grid.place(whole, range(count) if animated else range(place, count * levels, levels))
        if animated:
            frames.append(grid.frame())
    if animated:
        save_animation(frames, output, seconds)
    else:
        grid.save(output)
    what = "frames" if animated else "columns"
    if keeps_images(flow):
        sizes = ", ".join(f"{images.shape[2]}x{images.shape[3]}" for images in stages)
        shown = f"the images of {levels} levels, {sizes}"
    else:
        shown = f"{levels} images, in which one more level is drawn each time; the finer ones have zero noise"
    say(f"wrote {output}")
    say(f"{what}: {shown}")
