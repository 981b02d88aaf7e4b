"""Prints the tables of ``docs/peers.md`` from the stored figures.

python benchmarks/peers/table.py
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "results" / "peers"
NAMES = {
    "glow": "Glow",
    "realnvp": "RealNVP",
    "dense": "dense RealNVP",
    "glow-tiny": "a tiny Glow",
}
"""What the files of figures are called in the table."""


def rows() -> Iterator[str]:
    """Yield a row for each piece of work with each other library."""
    for stem, name in NAMES.items():
        figures = json.loads((RESULTS / f"{stem}.json").read_text(encoding="utf-8"))
        for library in list(figures["parameters"])[1:]:
            for work, sides in figures["work"].items():
                ours, theirs = sides["flowzoo"], sides[library]
                cells = (
                    f"{name}, {library}",
                    work,
                    f"{ours['images_per_second']:.0f}",
                    f"{theirs['images_per_second']:.0f}",
                    _range(theirs["ratio"]),
                    _range(theirs["processor_ratio"]),
                )
                yield f"| {' | '.join(cells)} |"


def compiled_rows() -> Iterator[str]:
    """Yield a table of the libraries' compiled training steps."""
    yield "| compiled training step | library | first step | graph breaks | gain in processor time |"
    yield "|---|---|---|---|---|"
    for stem, name in NAMES.items():
        figures = json.loads((RESULTS / f"{stem}.json").read_text(encoding="utf-8"))
        for side, found in figures.get("compiling", {}).items():
            library = side.removesuffix(", compiled")
            steps = figures["work"]["training step"]
            ratio = statistics.median(
                eager / compiled
                for eager, compiled in zip(
                    steps[library]["processor_seconds"], steps[side]["processor_seconds"], strict=True
                )
            )
            cells = (name, library, f"{found['seconds']:.0f} s", f"{found['graph_breaks']}", f"{ratio:.2f}")
            yield f"| {' | '.join(cells)} |"


def _range(ratios: Mapping[str, float]) -> str:
    return f"{ratios['median']:.2f} ({ratios['least']:.2f} to {ratios['greatest']:.2f})"


if __name__ == "__main__":
    print("\n".join([*rows(), "", *compiled_rows()]))
