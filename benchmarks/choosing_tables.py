"""Writes the tables of docs/choosing.md that compare recipes and models, from the recorded results.

python benchmarks/choosing_tables.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flowzoo.bench.report.evidence import Sample, difference
from flowzoo.bench.report.ranking import sample_of
from flowzoo.bench.result import QUALITY, Result
from flowzoo.bench.store import read_results

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
    """A row of a suite, over its seeds."""

    label: str
    seeds: list[Result]
    sample: Sample

    @property
    def steps(self) -> float:
        """Mean number of steps."""
        return sum(each.spent.steps or 0 for each in self.seeds) / len(self.seeds)

    @property
    def valid(self) -> bool:
        return all(each.metrics[QUALITY].valid for each in self.seeds)

    def __str__(self) -> str:
        bits, figures = self.sample.mean, [each.metrics[QUALITY] for each in self.seeds]
        if not self.valid:
            return f"{bits:,.0f}, not valid" if bits > 100 else f"{bits:.3f}, not valid"
        error = sum(each.error or 0.0 for each in figures) / len(figures)
        return f"{bits:.3f} ± {error:.3f}{' †' if any(each.estimated for each in figures) else ''}"

    def below(self, other: Measured) -> str:
        """Return how far it is below another, image by image; empty where one is not valid."""
        if not (self.valid and other.valid):
            return ""
        found = difference(other.sample, self.sample)
        if not found.paired:
            raise SystemExit(f"{self.label} and {other.label} were not measured on the same images")
        return f"{found.mean:.3f} ± {found.error:.3f}"


def measured(suite: str, data: str) -> dict[str, Measured]:
    """Return the recorded rows of a suite on a data set, by label."""
    results = read_results(RECORDED / suite)
    rows: dict[str, list[Result]] = {}
    for result in results.results:
        if result.experiment.data == data:
            rows.setdefault(result.label, []).append(result)
    return {label: Measured(label, rows[label], sample_of(rows[label], results.bits)) for label in rows}


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
    for label, row in sorted(rows.items(), key=lambda each: each[1].sample.mean):
        below = "" if label == PAPER else row.below(rows[PAPER])
        model, *options = label.replace("paper", "the paper's").split(", ")
        said = ", ".join([f"`{model}`", *options])
        yield f"| {said} | {len(row.seeds)} | {row.steps:,.0f} | {row} | {below} |"


TABLES = {"ladder": ladder, "twenty-minutes": twenty_minutes}


def page_with_tables(page: str) -> str:
    """Return the page with each of its marked tables made again."""

    def table(found: re.Match[str]) -> str:
        before, suite, data, end = found.groups()
        return before + "".join(f"{line}\n" for line in TABLES[suite](data)) + end

    return MARKED.sub(table, page)


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text()))
