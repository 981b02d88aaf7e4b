"""Plots as picture files, drawn by matplotlib, which is an optional library."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from flowzoo.errors import OptionError
from flowzoo.files import check_output, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")


def check_plot(path: Path) -> None:
    """Refuse a plot that cannot be made, before anything is measured.

    Raises:
        OptionError: The file's ending is none of :data:`FORMATS`, or matplotlib is not installed.
        FlowzooError: As :func:`~flowzoo.files.check_output`.
    """
    if path.suffix.lower() not in FORMATS:
        raise OptionError(f"--plot cannot write {path}. Its name must end in one of: {', '.join(FORMATS)}.")
    try:
        import matplotlib  # noqa: F401  # whether it is installed
    except ImportError as error:
        raise OptionError(
            "--plot needs the library matplotlib. Install it: pip install 'flowzoo[plot]'"
        ) from error
    check_output(path, "picture file")


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches, which needs no window and changes no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure; the file's ending gives the format.

    Raises:
        FileError: The file cannot be written.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.lower().removeprefix("."), dpi=150)
    write_atomically(path, buffer.getvalue())
