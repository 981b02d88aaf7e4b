"""``flowzoo diagnose``: where a trained model's solvers spend their time, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from flowzoo.cli.choose import JsonOption
from flowzoo.cli.console import complain, console, print_json, print_whole, table
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.cli.subject import DataOption, DeviceOption, ModelArgument

if TYPE_CHECKING:
    from flowzoo.evaluation.diagnosis import Diagnosis


def diagnose(
    run: ModelArgument,
    split: Annotated[str, typer.Option("--split", help="Images to use: train, validation or test.")] = "test",
    images: Annotated[
        int, typer.Option("--images", min=1, help="Number of images to encode, and of samples to draw.")
    ] = 64,
    seed: Annotated[
        int, typer.Option("--seed", help="Random seed for noise, estimated traces and samples.")
    ] = 0,
    device: DeviceOption = "auto",
    data: DataOption = None,
    assignments: MovedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how much work the ODE solvers of a trained model do, and what makes them slow.

    Continuous flows solve an ordinary differential equation, and most of their time goes into it. Other
    models have no solver. For them the command shows the times of both passes, and how much the correlations
    of whitened levels were shrunk.

    "Forward" goes from images to likelihoods, "backward" from noise to samples. Errors are those that the
    solver estimates itself. The audit of flowzoo evaluate measures the true error.
    """
    moved = read_moved(assignments)
    from flowzoo.evaluation.diagnosis import diagnose_run

    found = diagnose_run(run, split, images=images, seed=seed, device=device, data=data, data_options=moved)
    for note in found.data_notes:
        complain(f"warning: {note}.")
    if as_json:
        print_json(asdict(found))
    else:
        _print(found)


def _print(found: Diagnosis) -> None:
    facts = table("", "")
    facts.add_row("forward", f"{found.forward_seconds:.2f} s for the likelihoods of {found.images} image(s)")
    facts.add_row("backward", f"{found.backward_seconds:.2f} s for drawing {found.images} sample(s)")
    if found.solver:
        facts.add_row("ODE solver", found.solver)
    console().print(facts)
    console().print()
    if not found.rows:
        console().print("This model has no ODE solver, so there is nothing more to show.")
        return
    print_whole(_figures(found))
    if found.advice:
        console().print()
    for sentence in found.advice:
        console().print(sentence)


def _figures(found: Diagnosis) -> Table:
    names = list(dict.fromkeys(name for row in found.rows for name in row.figures))
    figures = table("", *(name.replace(" ", "\n", 1) for name in names))
    for column in figures.columns[1:]:
        column.justify = "right"
    shown = ""
    for row in found.rows:
        if row.component != shown:
            shown = row.component
            figures.add_row(shown)
        cells = (_digits(row.figures[name]) if name in row.figures else "-" for name in names)
        figures.add_row(f"  {row.part}", *cells)
    return figures


def _digits(value: float) -> str:
    """Return a number with three significant digits.

    >>> _digits(0.0012345), _digits(24.0), _digits(12345.0)
    ('0.00123', '24', '12,300')
    """
    return f"{float(f'{value:.3g}'):,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.3g}"
