"""Validation curves as a picture."""

from __future__ import annotations

import io
from pathlib import Path

from flowzoo.comparison.compare import RunComparison
from flowzoo.errors import OptionError
from flowzoo.files import write_atomically

FORMATS = (".png", ".svg", ".pdf")


def check_plot(path: Path) -> None:
    """Refuse a plot that cannot be made, before anything is measured.

    Raises:
        OptionError: The file's ending is none of :data:`FORMATS`, or matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise OptionError(f"--plot cannot write {path}. Its name must end in one of: {', '.join(FORMATS)}.")
    try:
        import matplotlib  # noqa: F401  # whether it is installed
    except ImportError as error:
        raise OptionError(
            "--plot needs the library matplotlib. Install it: pip install 'flowzoo[plot]'"
        ) from error


def plot_curves(comparison: RunComparison, path: Path, in_seconds: bool) -> None:
    """Draw the validation curves of runs.

    Args:
        comparison: The runs.
        path: The file to write; its ending gives the format.
        in_seconds: Whether the horizontal axis shows seconds of training, or its steps.

    Raises:
        FileError: The file cannot be written.
    """
    # The class Figure draws without a window, and does not change matplotlib's global state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
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
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.lower().removeprefix("."), dpi=150)
    write_atomically(path, buffer.getvalue())
