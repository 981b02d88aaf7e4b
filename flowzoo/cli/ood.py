"""``flowzoo ood``: how well a trained model tells its own images from others."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowzoo.cli.choose import JsonOption
from flowzoo.cli.console import complain, console, print_json, print_whole, table
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.cli.subject import BatchSizeOption, DataOption, DeviceOption, ExactOption, ModelArgument

if TYPE_CHECKING:
    from flowzoo.ood.detect import Against, Detection
    from flowzoo.ood.separation import Figure


def ood(
    run: ModelArgument,
    against: Annotated[
        list[str],
        typer.Option(
            "--against",
            help="Other images: the name of a data set, a folder of images, noise, or constant (images of "
            "one colour). Can be repeated.",
        ),
    ],
    split: Annotated[
        str, typer.Option("--split", help="The model's own images: train, validation or test.")
    ] = "test",
    images: Annotated[int, typer.Option("--images", min=1, help="Number of images of each set.")] = 200,
    training_images: Annotated[
        int,
        typer.Option(
            "--training-images", min=1, help="Number of training images that show which bits/dim are typical."
        ),
    ] = 200,
    batch: Annotated[
        int,
        typer.Option("--batch", min=1, help="Number of images in a batch, for the typicality of batches."),
    ] = 10,
    gradient: Annotated[
        bool | None,
        typer.Option(
            "--gradient/--no-gradient",
            help="Also score images by the norm of the gradient of their likelihood.",
            show_default="yes, unless the model solves ODEs",
        ),
    ] = None,
    exact: ExactOption = None,
    fit: Annotated[
        bool,
        typer.Option("--fit", help="Scale images of another size, or with other colours, to the model's."),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Write histograms of the scores to this picture: .png, .svg or .pdf."),
    ] = None,
    batch_size: BatchSizeOption = 100,
    seed: Annotated[
        int, typer.Option("--seed", help="Random seed for noise, estimated traces and intervals.")
    ] = 0,
    device: DeviceOption = "auto",
    data: DataOption = None,
    assignments: MovedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how well scores of a trained model tell its own images from other images.

    Each score is higher for images that are more like the training images. AUROC is the probability that an
    own image has a higher score than another one: 0.5 means that the score tells nothing, and less than 0.5
    that it prefers the other images. FPR@95 is the share of other images that are accepted where 95 % of the
    own images are. Intervals are bootstrap intervals of 95 %, and exact ones where a score makes no mistake.

    Often the plain likelihood is higher for simple images that the model has never seen. The other scores
    correct for this in different ways.
    """
    moved = read_moved(assignments)
    from flowzoo.cli.progress import counting_each
    from flowzoo.ood.detect import detect_ood
    from flowzoo.plots import check_plot

    if plot is not None:
        check_plot(plot)
    with counting_each() as counting:
        found = detect_ood(
            run,
            [_named(each) for each in against],
            data,
            split,
            images=images,
            training_images=training_images,
            batch=batch,
            gradient=gradient,
            exact=exact,
            fit=fit,
            batch_size=batch_size,
            seed=seed,
            device=device,
            data_options=moved,
            counting=counting,
        )
    for note in found.data_notes:
        complain(f"warning: {note}.")
    print_json(_plain(found)) if as_json else _print(found)
    if plot is not None:
        from flowzoo.ood.histograms import plot_scores

        plot_scores(found, plot)
        complain(f"wrote {plot}")


def _named(other: str) -> str | Path:
    """Return a folder as a path, since a plain text names a data set."""
    return Path(other) if os.sep in other or Path(other).is_dir() else other


def _plain(found: Detection) -> dict[str, Any]:
    """Return the figures as plain data, without the scores of each image."""
    plain = asdict(found)
    for against in plain["against"]:
        for score in against["scores"]:
            del score["own"], score["other"]
    return plain


def _print(found: Detection) -> None:
    own = "no finite likelihood" if found.bits_per_dim is None else f"{found.bits_per_dim:.3f} bits/dim"
    console().print(
        f"{found.images} {found.split} images of {found.data}: {own}; typical is "
        f"{found.training_bits_per_dim:.3f}, the mean of {found.training_images} training images",
        soft_wrap=True,
    )
    for against in found.against:
        console().print()
        _print_against(against)


def _print_against(against: Against) -> None:
    mean = "" if against.bits_per_dim is None else f": {against.bits_per_dim:.3f} bits/dim"
    console().print(f"against {against.images} images of {against.other}{mean}", style="bold", soft_wrap=True)
    listing = table("score", "AUROC", "95 % interval", "AUPR", "95 % interval", "FPR@95", "95 % interval")
    for column in listing.columns[1:]:
        column.justify = "right"
    for score in against.scores:
        figures = (score.separation.auroc, score.separation.aupr, score.separation.fpr95)
        listing.add_row(score.name, *(cell for each in figures for cell in _cells(each)))
    print_whole(listing)
    without = [score.name for score in against.scores if score.separation.auroc.low is None]
    if without:
        from flowzoo.ood.separation import FEWEST

        which = "any score" if len(without) == len(against.scores) else ", ".join(without)
        console().print(
            f"no interval for {which}: it needs {FEWEST} images (or batches) of each set at least",
            soft_wrap=True,
        )
    if against.not_finite:
        console().print(
            f"{against.not_finite} image(s) have no finite likelihood, and count as the least likely",
            soft_wrap=True,
        )


def _cells(figure: Figure) -> tuple[str, str]:
    interval = "-" if figure.low is None else f"{figure.low:.3f} to {figure.high:.3f}"
    return f"{figure.value:.3f}", interval
