"""The page of claims says what its records say."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_made_from_the_records() -> None:
    made = runpy.run_path(str(ROOT / "benchmarks" / "claims_page.py"))
    assert made["PAGE"].read_text() == made["text_of"](made["judge"]())
