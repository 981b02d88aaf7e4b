"""``flowzoo temperature``: how good a trained model's samples are, against their temperature."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.api import (
    OptionError,
    check_plot,
    check_seed,
    counting_each,
    load_subject,
    new_figure,
    print_whole,
    say,
    table,
    write_figure,
)
from flowzoo_frechet.metric import Frechet
from flowzoo_frechet.sweep import Row, check_temperatures, sweep

FIGURES = ("frechet", "kid", "precision", "recall")


def temperature(
    run: Annotated[Path, typer.Argument(help="Run folder, saved model, or name of a trained model.")],
    temperatures: Annotated[
        str, typer.Option("--temperatures", help="Temperatures to try, as in 0.7,0.8,0.9,1.")
    ] = "0.6,0.7,0.8,0.9,1.0,1.1",
    by_level: Annotated[
        bool,
        typer.Option(
            "--by-level", help="Also change the temperature of one level alone, for each level in turn."
        ),
    ] = False,
    images: Annotated[
        int, typer.Option("--images", min=10, help="Number of samples, and of test images.")
    ] = 500,
    features: Annotated[
        str,
        typer.Option(
            "--features",
            help="Network in whose features images are compared: trained (on the data set itself), "
            "inception, or package.module:callable.",
        ),
    ] = "trained",
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Write the curves to this picture: .png, .svg or .pdf."),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Name of the data set.", show_default="that of the run")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Random seed of the samples.")] = 0,
    device: Annotated[str, typer.Option("--device", help="Device: auto, cpu, cuda, cuda:1 or mps.")] = "auto",
) -> None:
    """Measure samples of a trained model at several temperatures, beside test images.

    Samples get less varied and often better at lower temperatures: precision rises and recall falls.
    Distances are best where both are good. All temperatures scale the same noise.

    frechet is FID only with --features inception and 10,000 images or more. Figures with few images are too
    large, all by about the same amount.
    """
    check_seed(seed)
    asked = _numbers(temperatures)
    if plot is not None:
        check_plot(plot)
    subject = load_subject(run, data, None, device)
    flow, dataset = subject.flow, subject.data.dataset
    metric = Frechet(features=features)
    levels: list[int | None] = [None]
    if by_level and len(flow.levels) > 1:
        levels += range(len(flow.levels))
    with counting_each() as counting:
        training = counting("% of the features' training")
        network = metric.features_of(dataset, flow.device, lambda share: training(round(100 * share), 100))
        rows = sweep(
            flow,
            dataset,
            network,
            asked,
            levels,
            images=images,
            seed=seed,
            progress=counting("temperatures"),
        )
    _print(rows)
    say(f"features: {network.name}; unit of frechet: {network.unit}")
    for objection in network.objections:
        say(f"warning: {objection}")
    if plot is not None:
        _plot(rows, plot)
        say(f"wrote {plot}")


def _numbers(text: str) -> list[float]:
    try:
        found = [float(each) for each in text.split(",")]
    except ValueError as error:
        raise OptionError(f"--temperatures is '{text}'. Give numbers, as in 0.7,0.8,0.9,1") from error
    check_temperatures(found)
    return found


def _print(rows: list[Row]) -> None:
    best = {
        level: min((row.quality.frechet for row in rows if row.level == level and row.quality), default=None)
        for level in {row.level for row in rows}
    }
    listing = table("levels", "temperature", *FIGURES, "")
    for column in listing.columns[1:-1]:
        column.justify = "right"
    for row in rows:
        name = "all" if row.level is None else f"level {row.level}"
        if row.quality is None:
            listing.add_row(name, f"{row.temperature:g}", "-", "-", "-", "-", row.remark)
            continue
        found = row.quality
        listing.add_row(
            name,
            f"{row.temperature:g}",
            f"{found.frechet:.3f}",
            f"{found.kid:.4f}",
            f"{found.precision:.3f}",
            f"{found.recall:.3f}",
            "smallest distance" if found.frechet == best[row.level] else "",
        )
    print_whole(listing)


def _plot(rows: list[Row], path: Path) -> None:
    figure = new_figure(11.0, 2.9)
    for name, axes in zip(FIGURES, figure.subplots(1, len(FIGURES)), strict=True):
        for level in dict.fromkeys(row.level for row in rows):
            shown = [row for row in rows if row.level == level and row.quality]
            axes.plot(
                [row.temperature for row in shown],
                [getattr(row.quality, name) for row in shown],
                marker=".",
                label="all levels" if level is None else f"level {level}",
            )
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("temperature", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=7)
    write_figure(figure, path)
