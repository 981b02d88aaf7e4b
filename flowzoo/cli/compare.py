"""``flowzoo compare``: trained runs side by side."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowzoo.cli.choose import JsonOption
from flowzoo.cli.completion import run_folders
from flowzoo.cli.console import complain, console, print_json, print_whole, table
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.cli.progress import clock
from flowzoo.cli.subject import DeviceOption

if TYPE_CHECKING:
    from flowzoo.comparison.compare import ComparedRun, RunComparison

_WIDEST = 100
"""Columns of the chart, at most."""


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Two or more run folders. The first is the reference.",
            autocompletion=run_folders,
        ),
    ],
    split: Annotated[
        str, typer.Option("--split", help="Images to compare on: train, validation or test.")
    ] = "test",
    images: Annotated[
        int | None,
        typer.Option(
            "--images",
            help="Compare on the first N images only.",
            show_default="as many as all evaluations have, or 200",
        ),
    ] = None,
    paired: Annotated[
        bool,
        typer.Option(
            "--paired/--no-paired",
            help="Compare image by image. This measures bits/dim where flowzoo evaluate has not kept them.",
        ),
    ] = True,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Write the validation curves to this picture: .png, .svg or .pdf."),
    ] = None,
    device: DeviceOption = "auto",
    assignments: MovedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare trained runs: their figures, the settings that differ, and their validation curves.

    The difference between two models is measured image by image, with the same noise for both. It is much
    more certain than the difference of two separate figures, because what is hard for one model is mostly
    hard for the other too. Negative differences mean that a run is better than the first.

    To compare folders of benchmark results, use flowzoo bench compare.
    """
    moved = read_moved(assignments)
    from flowzoo.cli.progress import counting_each
    from flowzoo.comparison.compare import compare_runs
    from flowzoo.comparison.plot import plot_curves
    from flowzoo.plots import check_plot

    if plot is not None:
        check_plot(plot)
    with counting_each() as counting:
        found = compare_runs(
            runs, split, images=images, pair=paired, data_options=moved, device=device, counting=counting
        )
    for warning in found.warnings:
        complain(f"warning: {warning}.")
    if as_json:
        plain = asdict(found)
        for run, compared in zip(plain["runs"], found.runs, strict=True):
            run["verdict"] = compared.difference and compared.difference.verdict
        print_json(plain)
    else:
        _print(found)
    if plot is not None:
        plot_curves(found, plot, _in_seconds(found))
        complain(f"wrote {plot}")


def _print(found: RunComparison) -> None:
    out = console()
    print_whole(_figures(found))
    if any(run.difference or run.not_paired for run in found.runs):
        out.print()
        out.print(f"difference from {found.runs[0].run} on the same {found.split} images", style="bold")
        print_whole(_differences(found))
    out.print()
    if found.settings:
        out.print("settings that differ", style="bold")
        listing = table("setting", *(run.run for run in found.runs))
        for name, values in found.settings.items():
            listing.add_row(name, *(_value(value) for value in values))
        print_whole(listing)
    else:
        out.print("all settings are the same")
    _print_curves(found)


def _figures(found: RunComparison) -> Any:
    listing = table(
        "run", "model", "data", "budget", "steps", "time", "best\nvalidation", f"{found.split}\nbits/dim"
    )
    for column in listing.columns[4:7]:
        column.justify = "right"
    for run in found.runs:
        best = "-" if run.best_validation is None else f"{run.best_validation:.4f}"
        time = clock(run.seconds)
        listing.add_row(
            run.run, run.model, run.data, str(run.budget), f"{run.steps:,}", time, best, _test(run)
        )
    return listing


def _test(run: ComparedRun) -> str:
    if run.test is None:
        return "not evaluated"
    error = "" if run.test.standard_error is None else f" ± {run.test.standard_error:.4f}"
    return f"{run.test.bits_per_dim:.4f}{error}{'' if run.test.valid else ' (not ranked)'}"


def _differences(found: RunComparison) -> Any:
    listing = table("run", "bits/dim", "95 % interval", "images", "")
    for column in listing.columns[1:4]:
        column.justify = "right"
    for run in found.runs[1:]:
        difference = run.difference
        if difference is None:
            listing.add_row(run.run, "-", "-", "-", f"not compared: {run.not_paired}")
            continue
        error, interval = "", "-"
        if difference.standard_error is not None and difference.interval is not None:
            error = f" ± {difference.standard_error:.4f}"
            interval = f"{difference.interval[0]:+.4f} to {difference.interval[1]:+.4f}"
        mean = f"{difference.mean:+.4f}{error}"
        listing.add_row(run.run, mean, interval, f"{difference.images:,}", difference.verdict)
    return listing


def _print_curves(found: RunComparison) -> None:
    from flowzoo.cli.text_chart import text_chart

    out = console()
    in_seconds = _in_seconds(found)
    curves = {
        run.run: [(point.seconds if in_seconds else point.step, point.bits_per_dim) for point in run.curve]
        for run in found.runs
        if run.curve
    }
    across = "seconds of training" if in_seconds else "steps of training"
    lines = text_chart(curves, min(out.width, _WIDEST), across, "validation, bits/dim")
    if lines:
        out.print()
    for line in lines:
        out.print(line, soft_wrap=True)
    for run in found.runs:
        if not run.curve:
            out.print(f"no curve of {run.run}: {run.curve_remark}", soft_wrap=True)


def _in_seconds(found: RunComparison) -> bool:
    return any(run.budget.seconds is not None for run in found.runs)


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
