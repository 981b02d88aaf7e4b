"""``flowzoo splits``: a picture of the level at which each pixel is factored out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.console import say
from flowzoo.cli.subject import ModelArgument

PICTURE_SIDE = 256


def splits(
    run: ModelArgument,
    output: Annotated[Path, typer.Option("-o", "--output", help="PNG file to write.")] = Path("splits.png"),
) -> None:
    """Draw a picture that shows at which level each pixel is factored out.

    Black pixels are factored out at the finest level, white ones reach the coarsest. This needs a model
    whose transforms only move pixels, such as realnvp, glow or lcma.
    """
    from flowzoo.loading import load_model
    from flowzoo.pictures import check_picture_path, save_grid
    from flowzoo.scoring import levels_of_pixels

    check_picture_path(output)
    flow = load_model(run)
    places = levels_of_pixels(flow)
    # A bin for each level, and two at least, so that the highest is white.
    bins = max(2, len(flow.levels))
    scale = max(1, PICTURE_SIDE // max(flow.image_shape[1:]))
    large = places.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    save_grid((large + 0.5) / bins, output, bins)
    counts = ", ".join(f"level {place}: {int((places == place).sum())}" for place in range(len(flow.levels)))
    say(f"wrote {output}; values factored out at {counts}")
