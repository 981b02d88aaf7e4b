"""Validation curves as a picture."""

from __future__ import annotations

from pathlib import Path

from flowzoo.comparison.compare import RunComparison
from flowzoo.plots import new_figure, write_figure


def plot_curves(comparison: RunComparison, path: Path, in_seconds: bool) -> None:
    """Draw the validation curves of runs.

    Args:
        comparison: The runs.
        path: The file to write; its ending gives the format.
        in_seconds: Whether the horizontal axis shows seconds of training, or its steps.

    Raises:
        FileError: The file cannot be written.
    """
    figure = new_figure(7.0, 4.0)
    axes = figure.add_subplot()
    for run in comparison.runs:
        if run.curve:
            across = [point.seconds if in_seconds else point.step for point in run.curve]
            axes.plot(across, [point.bits_per_dim for point in run.curve], marker=".", label=run.run)
    axes.set_xlabel("seconds of training" if in_seconds else "steps of training")
    axes.set_ylabel("validation, bits/dim")
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    write_figure(figure, path)
