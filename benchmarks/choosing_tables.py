"""Writes the tables of docs/choosing.md that compare recipes and models, from the recorded results.

python benchmarks/choosing_tables.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from flowzoo.bench.result import QUALITY
from flowzoo.bench.store import read_results
from flowzoo.comparison.paired import paired_difference

Values = NDArray[np.float64]
"""One for each image, ``(N,)``."""

HERE = Path(__file__).parent
RECORDED = HERE / "results" / "suites"
PAGE = HERE.parent / "docs" / "choosing.md"

MARKED = re.compile(r"(<!-- (ladder|twenty-minutes) ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
"""A table of the page: the comment before it names the suite and the data set."""

PAPER = "wavelet-flow, paper"


@dataclass(frozen=True)
class Rung:
    """A row of the ladder: its label, what the page calls it, and the label of the row before it."""

    label: str
    said: str
    base: str = ""


LADDER = (
    Rung("mrcnf, paper", "`mrcnf`, the paper's, by flow matching"),
    Rung("mrcnf + whiten", "+ `normalise=whiten`", "mrcnf, paper"),
    Rung("mrcnf + affine", "+ `precondition=conditional-affine`", "mrcnf + whiten"),
    Rung("mrcnf + field", "+ `network=unet-field`", "mrcnf + affine"),
    Rung("mrcnf + path, the default", "+ `path=trigonometric`, the default", "mrcnf + field"),
    Rung("mrcnf + times", "the default + `times=likelihood`", "mrcnf + path, the default"),
    Rung(PAPER, "`wavelet-flow`, the paper's"),
    Rung("wavelet-flow + whiten, the default", "+ `normalise=whiten`, the default", PAPER),
    Rung(
        "wavelet-flow + network",
        "the default + `network=gated-resnet`",
        "wavelet-flow + whiten, the default",
    ),
    Rung(
        "wavelet-flow + dequantisation",
        "the default + `dequantisation=variational`",
        "wavelet-flow + whiten, the default",
    ),
    Rung("glow, paper", "`glow`, the paper's"),
    Rung("glow + whiten, the default", "+ `normalise=whiten-blocks`, the default", "glow, paper"),
)


@dataclass(frozen=True)
class Measured:
    """A row of a suite, averaged over its seeds; ``images`` holds the bits/dim of each image."""

    images: Values
    steps: float
    seeds: int
    valid: bool
    estimated: bool

    def __str__(self) -> str:
        bits, error = float(self.images.mean()), _error(self.images)
        if not self.valid:
            return f"{bits:,.0f}, not valid" if bits > 100 else f"{bits:.3f}, not valid"
        return f"{bits:.3f} ± {error:.3f}{' †' if self.estimated else ''}"

    def below(self, other: Measured) -> str:
        """Return how far it is below another, image by image; empty where one is not valid."""
        if not (self.valid and other.valid):
            return ""
        found = paired_difference(torch.from_numpy(other.images), torch.from_numpy(self.images))
        return f"{found.mean:.3f} ± {found.standard_error:.3f}"


def measured(suite: str, data: str) -> dict[str, Measured]:
    """Return the recorded rows of a suite on a data set, by label."""
    results = read_results(RECORDED / suite)
    found: dict[str, Measured] = {}
    labels = {each.label for each in results.results if each.experiment.data == data}
    for label in labels:
        seeds = [each for each in results.results if (each.experiment.data, each.label) == (data, label)]
        bits = [kept.values for each in seeds if (kept := results.bits(each)) is not None]
        figures = [each.metrics[QUALITY] for each in seeds]
        found[label] = Measured(
            images=np.mean(bits, axis=0),
            steps=sum(each.spent.steps or 0 for each in seeds) / len(seeds),
            seeds=len(seeds),
            valid=all(each.valid for each in figures),
            estimated=any(each.estimated for each in figures),
        )
    return found


def ladder(data: str) -> Iterator[str]:
    """Yield the lines of a table of the ladder."""
    rows = measured("ladder", data)
    yield "| model | steps | test bits/dim | gain |"
    yield "|---|---|---|---|"
    for rung in LADDER:
        if rung.label in rows:
            row, base = rows[rung.label], rows.get(rung.base)
            gain = "" if base is None else row.below(base)
            yield f"| {rung.said} | {row.steps:,.0f} | {row} | {gain} |"


def twenty_minutes(data: str) -> Iterator[str]:
    """Yield the lines of the table of the suite ``twenty-minutes``."""
    rows = measured("twenty-minutes", data)
    yield "| model | seeds | steps | test bits/dim | below `wavelet-flow`, the paper's |"
    yield "|---|---|---|---|---|"
    for label, row in sorted(rows.items(), key=lambda each: float(each[1].images.mean())):
        below = "" if label == PAPER else row.below(rows[PAPER])
        model, *options = label.replace("paper", "the paper's").split(", ")
        yield f"| {', '.join([f'`{model}`', *options])} | {row.seeds} | {row.steps:,.0f} | {row} | {below} |"


def _error(values: Values) -> float:
    """Return the standard error of a mean over images."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


TABLES = {"ladder": ladder, "twenty-minutes": twenty_minutes}


def page_with_tables(page: str) -> str:
    """Return the page with each of its marked tables made again."""

    def table(found: re.Match[str]) -> str:
        before, suite, data, end = found.groups()
        return before + "".join(f"{line}\n" for line in TABLES[suite](data)) + end

    return MARKED.sub(table, page)


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text()))
