"""A picture of a sweep: the trials one after another, and against each option that was searched."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

from flowzoo.files import write_atomically
from flowzoo.plots import new_figure
from flowzoo.sweep.settings import Sweep
from flowzoo.sweep.space import Choice
from flowzoo.sweep.study import Trial

_COLUMNS = 3


def draw_sweep(sweep: Sweep, trials: Sequence[Trial], path: Path) -> None:
    """Write a picture.

    Args:
        sweep: The sweep.
        trials: Its trials, of which one has finished at least.
        path: A file that :func:`~flowzoo.plots.check_plot` accepts.

    Raises:
        FileError: It cannot be written.
    """
    finished = [trial for trial in trials if trial.state == "finished"]
    figures = [trial.bits_per_dim for trial in finished if trial.bits_per_dim is not None]
    panels = 1 + len(sweep.space)
    rows = math.ceil(panels / _COLUMNS)
    figure = new_figure(4.2 * min(panels, _COLUMNS), 3.2 * rows)
    first, *others = (figure.add_subplot(rows, min(panels, _COLUMNS), 1 + place) for place in range(panels))
    numbers = [trial.number for trial in finished]
    first.plot(numbers, figures, "o", markersize=4, label="trial")
    best = [min(figures[: place + 1]) for place in range(len(figures))]
    first.step(numbers, best, where="post", label="best so far")
    first.set_xlabel("number of the trial")
    first.legend()
    for axes, (name, searched) in zip(others, sweep.space.items(), strict=True):
        values = [trial.values[name] for trial in finished]
        if isinstance(searched, Choice):
            texts = [str(each) for each in searched.values]
            axes.set_xticks(range(len(texts)), texts)
            axes.set_xlim(-0.5, len(texts) - 0.5)
            values = [searched.values.index(each) for each in values]
        else:
            axes.set_xscale("log" if searched.log else "linear")
            axes.set_xlim(searched.low, searched.high)
            if searched.whole and not searched.log:
                axes.locator_params(axis="x", integer=True)
        axes.plot(values, figures, "o", markersize=4, clip_on=False)  # those at an end of a range, too
        axes.set_xlabel(name)
    for axes in (first, *others):
        axes.set_ylabel("validation bits/dim")
        axes.grid(alpha=0.3)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix[1:].lower(), dpi=120)
    write_atomically(path, drawn.getvalue())
