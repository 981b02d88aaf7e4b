"""``flowzoo splits``: a picture of which pixels go on from level to level."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.console import say

PICTURE_SIDE = 256


def splits(
    run: Annotated[Path, typer.Argument(help="Run folder, as flowzoo train made it.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="PNG file to write.")] = Path("splits.png"),
) -> None:
    """Draw at which level each pixel leaves the model: the brighter, the further it goes.

    Black pixels are factored out at the finest level, white ones reach the coarsest. Needs a model whose
    transforms only move pixels, such as realnvp, glow or lcma.
    """
    from flowzoo.pictures import check_picture_path, save_grid
    from flowzoo.runfolder import RunFolder
    from flowzoo.scoring import levels_of_pixels

    check_picture_path(output)
    flow = RunFolder(run).load_model()
    places = levels_of_pixels(flow)
    # A bin for each level, and two at least, so that the highest is white.
    bins = max(2, len(flow.levels))
    scale = max(1, PICTURE_SIDE // max(flow.image_shape[1:]))
    large = places.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    save_grid((large + 0.5) / bins, output, bins)
    counts = ", ".join(f"level {place}: {int((places == place).sum())}" for place in range(len(flow.levels)))
    say(f"wrote {output}; values factored out at {counts}")
