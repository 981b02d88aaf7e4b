"""Make the tables and the picture of docs/ood.md: AUROC of each score, for some models against other images.

Run it with the trained models' folders, which are named in the table. Saved models need ``--data``::

    python benchmarks/ood.py --data digits --against mnist-5k constant -- glow=FOLDER mrcnf=FOLDER
    python benchmarks/ood.py --against mnist-5k noise --plot docs/images/ood.png -- glow=RUN mrcnf=RUN
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from flowzoo.ood.detect import Detection, detect_ood
from flowzoo.ood.separation import Figure
from flowzoo.plots import new_figure, write_figure


def main() -> None:
    """Measure the models, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--data", help="by default that of each run")
    parser.add_argument("--against", nargs="+", required=True)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--plot", type=Path, help="write histograms of the bits/dim, whole and by level")
    asked = parser.parse_args()
    models = dict(each.split("=", 1) for each in asked.models)
    found = {
        name: detect_ood(
            folder,
            asked.against,
            asked.data,
            images=asked.images,
            training_images=asked.images,
            fit=True,
            counting=_counting(name),
        )
        for name, folder in models.items()
    }
    for name, each in found.items():
        others = ", ".join(f"{against.other} {against.bits_per_dim:.2f}" for against in each.against)
        print(f"{name}: {each.data} {each.bits_per_dim:.2f}, {others} bits/dim", file=sys.stderr)
    if asked.plot is not None:
        _plot(found, asked.plot)
    print("| against | score | " + " | ".join(models) + " |")
    print("|---|---|" + "---|" * len(models))
    for place, against in enumerate(next(iter(found.values())).against):
        names = dict.fromkeys(score.name for each in found.values() for score in each.against[place].scores)
        for name in names:
            cells = []
            for each in found.values():
                scores = {score.name: score.separation.auroc for score in each.against[place].scores}
                cells.append(_cell(scores[name]) if name in scores else "-")
            print(f"| {against.other} | {name} | " + " | ".join(cells) + " |")


def _cell(figure: Figure) -> str:
    interval = "" if figure.low is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{interval}"


def _plot(found: Mapping[str, Detection], path: Path) -> None:
    """Draw a row for each model: bits/dim of all sets of images, whole and each level's share."""
    shown = {
        model: [name for name in _scores(each) if name == "likelihood" or name.startswith("level ")]
        for model, each in found.items()
    }
    columns = max(map(len, shown.values()))
    figure = new_figure(2.2 * columns, 1.7 * len(found) + 0.3)
    grid = figure.subplots(len(found), columns, squeeze=False)
    for (model, each), row in zip(found.items(), grid, strict=True):
        for axes in row[len(shown[model]) :]:
            axes.set_axis_off()
        for name, axes in zip(shown[model], row, strict=False):
            scores = [next(score for score in each.scores if score.name == name) for each in each.against]
            sets = {each.data: -scores[0].own}
            sets |= {a.other: -score.other for a, score in zip(each.against, scores, strict=True)}
            finite = np.concatenate([bits[np.isfinite(bits)] for bits in sets.values()])
            edges = np.linspace(finite.min(), np.quantile(finite, 0.98), 40)
            for label, bits in sets.items():
                weights = np.full(len(bits), 1 / len(bits))
                axes.hist(np.clip(bits, None, edges[-1]), edges, weights=weights, alpha=0.55, label=label)
            axes.set_title("all levels" if name == "likelihood" else name, fontsize=8)
            axes.tick_params(labelsize=6)
            axes.set_yticks([])
        row[0].set_ylabel(model, fontsize=8)
    for axes in grid[-1]:
        axes.set_xlabel("bits/dim", fontsize=7)
    grid[0][0].legend(fontsize=5)
    write_figure(figure, path)


def _scores(found: Detection) -> list[str]:
    return [score.name for score in found.against[0].scores]


def _counting(name: str) -> Callable[[str], Callable[[int, int], None]]:
    def of(what: str) -> Callable[[int, int], None]:
        return lambda done, count: print(f"{name}: {done} of {count} {what}", file=sys.stderr)

    return of


if __name__ == "__main__":
    main()
