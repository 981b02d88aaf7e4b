"""Draws the samples of the best recorded models beside each other, for docs/choosing.md.

python benchmarks/sample_sheets.py
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from flowzoo.bench.result import QUALITY
from flowzoo.bench.store import Results, read_results

HERE = Path(__file__).parent
RECORDED = HERE / "results" / "suites"
IMAGES = HERE.parent / "docs" / "images"

FONT = 18
MARGIN = 12
COLUMNS = 3


@dataclass(frozen=True)
class Row:
    """A row of a suite, of which the samples of seed 0 are shown."""

    suite: str
    label: str


SHEETS = {
    "wallpapers": (
        Row("twenty-minutes", "mrcnf, wider, bfloat16, Muon"),
        Row("twenty-minutes", "wavelet-flow, wide, bfloat16, Muon"),
        Row("twenty-minutes", "glow"),
        Row("standard", "pnf"),
        Row("standard", "msflow-wavelet"),
        Row("standard", "tarflow"),
    ),
    "fashion-mnist": (
        Row("ladder", "wavelet-flow + dequantisation"),
        Row("ladder", "wavelet-flow + network"),
        Row("ladder", "glow, paper"),
        Row("ladder", "wavelet-flow, paper"),
        Row("ladder", "wavelet-flow + whiten, the default"),
        Row("ladder", "mrcnf + path, the default"),
    ),
}
"""The best on each data set, and as the last a model whose samples are better than its figure."""


@cache
def recorded(suite: str) -> Results:
    """Return the results of a suite, of which several rows are shown."""
    return read_results(RECORDED / suite)


def panel(row: Row, data: str) -> Image.Image:
    """Return the samples of a row under its label and its bits/dim."""
    results = recorded(row.suite)
    (found,) = [
        each
        for each in results.results
        if (each.label, each.experiment.data, each.experiment.seed) == (row.label, data, 0)
    ]
    picture = results.picture(found)
    assert picture is not None, "suites draw samples of every model that can sample"
    with Image.open(picture) as opened:
        samples = opened.convert("RGB")
    made = Image.new("RGB", (samples.width, samples.height + 3 * FONT), "white")
    made.paste(samples, (0, 3 * FONT))
    figure = found.metrics[QUALITY]
    text = f"{row.label}\n{row.suite}: {figure.value:.3f} bits/dim"
    ImageDraw.Draw(made).multiline_text((2, 2), text, "black", ImageFont.load_default(FONT))
    return made


def sheet(data: str) -> Image.Image:
    """Return the panels of a data set in rows."""
    panels = [panel(row, data) for row in SHEETS[data]]
    width, height = panels[0].width + MARGIN, panels[0].height + MARGIN
    made = Image.new("RGB", (COLUMNS * width + MARGIN, -(-len(panels) // COLUMNS) * height + MARGIN), "white")
    for place, each in enumerate(panels):
        made.paste(each, (MARGIN + place % COLUMNS * width, MARGIN + place // COLUMNS * height))
    return made


if __name__ == "__main__":
    for data in SHEETS:
        sheet(data).save(IMAGES / f"samples-{data}.png", optimize=True)
