"""The pictures of samples on the page on choosing a model are of recorded rows."""

from __future__ import annotations

import runpy
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]


def test_the_sheets_are_drawn_from_the_records() -> None:
    made = runpy.run_path(str(ROOT / "benchmarks" / "sample_sheets.py"))
    for data in made["SHEETS"]:
        with Image.open(made["IMAGES"] / f"samples-{data}.png") as kept:
            assert made["sheet"](data).size == kept.size
