"""Make the tables and the pictures of docs/temperature.md: quality of samples against their temperature.

Run it with models of one data set, which are named in the table and in the picture::

    python benchmarks/temperature.py --data digits --plot temperature.png -- glow=FOLDER mrcnf=FOLDER
    python benchmarks/temperature.py --data digits --by-level --plot levels.png -- wavelet-flow=FOLDER
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from flowzoo.data.load import load_dataset
from flowzoo.device import prepare_device
from flowzoo.loading import load_model
from flowzoo.plots import new_figure, write_figure
from flowzoo_frechet.metric import Frechet
from flowzoo_frechet.quality import Quality
from flowzoo_frechet.sweep import sweep

FIGURES = ("frechet", "kid", "precision", "recall")
Curves = Mapping[str, Mapping[float, Quality]]


def main() -> None:
    """Measure the models, print a Markdown table, and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--data", required=True)
    parser.add_argument("--temperatures", default="0.7,0.8,0.9,1,1.1,1.2,1.3,1.4")
    parser.add_argument("--by-level", action="store_true", help="for each level alone, not for all of them")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument(
        "--seeds", type=int, default=1, help="number of draws, of which the table has the mean"
    )
    parser.add_argument("--plot", type=Path, required=True)
    asked = parser.parse_args()
    dataset = load_dataset(asked.data)
    temperatures = [float(each) for each in asked.temperatures.split(",")]
    features = Frechet().features_of(dataset, prepare_device("cpu"), lambda share: None)
    curves: dict[str, dict[float, Quality]] = {}
    for model, folder in (each.split("=", 1) for each in asked.models):
        flow = load_model(folder)
        levels = range(len(flow.levels)) if asked.by_level else [None]
        found: dict[tuple[str, float], list[Quality]] = {}
        for seed in range(asked.seeds):
            print(f"{model}: draw {seed + 1} of {asked.seeds}", file=sys.stderr)
            rows = sweep(flow, dataset, features, temperatures, levels, images=asked.images, seed=seed)
            for row in rows:
                name = model if row.level is None else f"{model}, level {row.level}"
                if row.quality is not None:
                    found.setdefault((name, row.temperature), []).append(row.quality)
        for (name, temperature), drawn in found.items():
            curves.setdefault(name, {})[temperature] = _mean(drawn)
    _print(curves, temperatures)
    _plot(curves, asked.plot)


def _mean(drawn: list[Quality]) -> Quality:
    return Quality(**{name: sum(getattr(each, name) for each in drawn) / len(drawn) for name in FIGURES})


def _print(curves: Curves, temperatures: list[float]) -> None:
    print("| temperature | " + " | ".join(curves) + " |")
    print("|---|" + "---|" * len(curves))
    for temperature in temperatures:
        cells = [_cell(curve, temperature) for curve in curves.values()]
        print(f"| {temperature:g} | " + " | ".join(cells) + " |")


def _cell(curve: Mapping[float, Quality], temperature: float) -> str:
    found = curve.get(temperature)
    if found is None:
        return "not finite"
    text = f"{found.frechet:.1f}, {found.kid:.3g}"
    return f"**{text}**" if found.frechet == min(each.frechet for each in curve.values()) else text


def _plot(curves: Curves, path: Path) -> None:
    figure = new_figure(9.0, 2.4)
    for name, axes in zip(FIGURES, figure.subplots(1, len(FIGURES)), strict=True):
        for label, curve in curves.items():
            axes.plot([*curve], [getattr(each, name) for each in curve.values()], marker=".", label=label)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("temperature", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=6)
    write_figure(figure, path)


if __name__ == "__main__":
    main()
