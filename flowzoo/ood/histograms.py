"""Histograms of scores as a picture: a row for each other set of images, a column for each score."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from flowzoo.ood.detect import Detection, Score
from flowzoo.plots import new_figure, write_figure

BINS = 30


def plot_scores(found: Detection, path: Path) -> None:
    """Draw the scores' histograms.

    Args:
        found: The scores.
        path: The file to write; its ending gives the format.

    Raises:
        FileError: The file cannot be written.
    """
    columns = max(len(each.scores) for each in found.against)
    figure = new_figure(2.3 * columns, 2.1 * len(found.against) + 0.4)
    grid = figure.subplots(len(found.against), columns, squeeze=False)
    for against, row in zip(found.against, grid, strict=True):
        for axes in row[len(against.scores) :]:
            axes.set_axis_off()
        for score, axes in zip(against.scores, row, strict=False):
            edges = _edges(score)
            for values, label in ((score.own, found.data), (score.other, against.other)):
                axes.hist(np.clip(values, edges[0], edges[-1]), edges, alpha=0.6, density=True, label=label)
            auroc = score.separation.auroc.value
            axes.set_title(f"{score.name}\nAUROC {auroc:.3f}", fontsize=8)
            axes.tick_params(labelsize=6)
            axes.locator_params(axis="x", nbins=4)
            axes.set_yticks([])
        row[0].legend(fontsize=6, loc="upper left")
        row[0].set_ylabel(against.other, fontsize=8)
    write_figure(figure, path)


def _edges(score: Score) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return bins that hold all but the most extreme values, which are drawn in the outer bins."""
    both = np.concatenate([score.own, score.other])
    finite = both[np.isfinite(both)]
    low, high = np.quantile(finite, [0.02, 0.98]) if len(finite) else (0.0, 1.0)
    return np.linspace(low, high if high > low else low + 1.0, BINS + 1)
