"""``flowzoo splits``: a picture of the level at which each pixel is factored out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowzoo.cli.console import say
from flowzoo.cli.subject import ModelArgument
from flowzoo.errors import OptionError

if TYPE_CHECKING:
    from flowzoo.shapes import Images

PICTURE_SIDE = 256


def splits(
    run: ModelArgument,
    output: Annotated[Path, typer.Option("-o", "--output", help="PNG file to write.")] = Path("splits.png"),
) -> None:
    """Draw a picture that shows at which level each pixel is factored out.

    Black pixels are factored out at the finest level, white ones reach the coarsest. If splits were decided
    from scores, as those of lcma are, these stand beside it: one map for each such level, and grey where a
    pixel does not reach the level. Images in colour get a row for each channel. This needs a model whose
    transforms only move pixels, such as realnvp, glow or lcma.
    """
    from flowzoo.loading import load_model
    from flowzoo.pictures import check_picture_path, save_grid
    from flowzoo.scoring import levels_of_pixels, scores_of_pixels

    check_picture_path(output)
    flow = load_model(run)
    if len(flow.levels) < 2:
        raise OptionError(
            "this model has one level, so no pixel leaves it before another. Use a model with several levels"
        )
    places = levels_of_pixels(flow)
    counts = ", ".join(f"level {place}: {int((places == place).sum())}" for place in range(len(flow.levels)))
    scores = scores_of_pixels(flow)
    if scores:
        _save_with_scores(places, scores, len(flow.levels), output)
        say(f"wrote {output}; values factored out at {counts}")
        say(
            "beside it: the scores from which the splits were decided, in nats (light grey: pixels that do "
            "not reach the level)"
        )
        return
    # A bin for each level, and two at least, so that the highest is white.
    bins = max(2, len(flow.levels))
    scale = max(1, PICTURE_SIDE // max(flow.image_shape[1:]))
    large = places.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    save_grid((large + 0.5) / bins, output, bins)
    say(f"wrote {output}; values factored out at {counts}")


def _save_with_scores(places: Images, scores: Mapping[int, Images], levels: int, output: Path) -> None:
    """Draw the levels of pixels and, beside them, the scores of each level."""
    from flowzoo.panels import Panel, save_panels

    channels = places.shape[1]
    names = {1: [""], 3: [", red", ", green", ", blue"]}.get(channels) or [
        f", channel {channel}" for channel in range(channels)
    ]
    rows = []
    for channel, name in enumerate(names):
        values = places[0, channel].double().cpu().numpy()
        row = [Panel(f"factored out at{name}", values, levels)]
        for level, found in scores.items():
            row.append(Panel(f"scores at level {level}{name}", found[0, channel].double().cpu().numpy()))
        rows.append(row)
    save_panels(rows, output)
