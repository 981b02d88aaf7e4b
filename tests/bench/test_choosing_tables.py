"""The tables of the page on choosing a model say what their records say."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tables_are_made_from_the_records() -> None:
    made = runpy.run_path(str(ROOT / "benchmarks" / "choosing_tables.py"))
    page = made["PAGE"].read_text()
    assert page.count("<!-- end -->") == len(made["MARKED"].findall(page)) > 1
    assert page == made["page_with_tables"](page)
