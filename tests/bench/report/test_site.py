"""The static site: every row has a page, which nothing in a record can break."""

from __future__ import annotations

import re
from pathlib import Path

from flowzoo.bench.report.leaderboard import make_report
from flowzoo.bench.report.site import HEIGHT, WIDTH, svg_curves, write_site
from flowzoo.bench.store import read_results
from flowzoo.metric import Measurement
from tests.bench.report.made_up import CUDA, bits, failed, result, write

HOSTILE = "../<script>alert(1)</script>"


def made(folder: Path) -> list[Path]:
    curve = {"curve": [[1.0, 3.0], [2.0, 2.5], [5.0, 2.0]]}
    timed = {"bits-per-dim": bits(2.0), "time-to-bpd": Measurement(4.0, "s", "lower", details=curve)}
    files = {"b.model/model.safetensors": "0" * 64}
    write(
        folder / "results",
        result("a", 2.5, environment=CUDA),
        result("b", metrics=timed, files=files),
        result("b", metrics=timed, seed=1),
        result(HOSTILE, 3.0),
        failed("lost"),
    )
    found = read_results(folder / "results")
    return write_site(make_report(found), found, folder / "site")


def test_every_row_with_figures_has_a_page_that_the_leaderboard_links_to(tmp_path: Path) -> None:
    index, *pages = made(tmp_path)
    links = re.findall(r'href="(models/[^"]+)"', index.read_text())
    assert sorted(links) == sorted(path.relative_to(tmp_path / "site").as_posix() for path in pages)
    assert len(pages) == 3
    assert all(path.parent == tmp_path / "site" / "models" for path in pages)


def test_a_page_has_figures_curves_and_how_to_load_the_model(tmp_path: Path) -> None:
    (path,) = (each for each in made(tmp_path) if each.name.endswith("--b.html"))
    text = path.read_text()
    assert "2.000" in text
    assert text.count("<polyline") == 2
    assert "flowzoo.load_model(&#39;results/quick/b.model&#39;)" in text
    assert "pip install flowzoo-coupling==0.1.0" in text
    assert "Seed 0" in text
    assert "Seed 1" in text


def test_names_in_records_are_shown_as_text(tmp_path: Path) -> None:
    for path in made(tmp_path):
        assert "<script>alert" not in path.read_text()
        assert "default-src" in path.read_text()


def test_curves_fill_their_picture() -> None:
    found = svg_curves([[[1.0, 3.0], [3.0, 2.0]], [[2.0, 2.5], [3.0, 2.5]]])
    assert found["lines"] == [f"0.0,0.0 {WIDTH}.0,{HEIGHT}.0", f"{WIDTH / 2},120.0 {WIDTH}.0,120.0"]
    assert (found["left"], found["right"], found["low"], found["high"]) == (1.0, 3.0, 2.0, 3.0)
    assert svg_curves([]) == {}
    assert svg_curves([[[1.0, 2.0]]])["lines"] == ["0.0,0.0"]
