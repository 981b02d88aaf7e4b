"""The page as text: complete in itself, and inert whatever the results hold."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from flowzoo.bench.report import charts, samples
from flowzoo.bench.report.blocks import JOINT, PUBLISHED, TITLES
from flowzoo.bench.report.leaderboard import INVALID, make_report
from flowzoo.bench.report.page import page
from flowzoo.bench.store import read_results
from flowzoo.metric import Measurement
from tests.bench.report.made_up import CUDA, DIGITS, bits, failed, result, write
from tests.bench.report.showcase import showcase

EVIL = "</script><script>alert(1)</script>'\"><img src=x onerror=alert(2)>"
VOID = {"meta", "input", "img", "br", "link"}


class Elements(HTMLParser):
    """Collects elements, and checks that they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        self.text[self._open[-1] if self._open else ""] = data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def rendered(folder: Path) -> str:
    results = read_results(folder)
    return page(make_report(results), results)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return rendered(showcase(tmp_path_factory.mktemp("results")))


def test_the_page_asks_for_nothing_else(text: str) -> None:
    elements = Elements(text)
    assert [each for each in elements.of("script") if "src" in each] == []
    assert elements.of("link") == []
    assert {str(each["src"])[:22] for each in elements.of("img")} == {"data:image/png;base64,"}
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest", text)
    assert {str(each["href"])[0] for each in elements.of("a")} == {"#"}


def test_the_policy_allows_the_page_s_own_script_and_style_alone(text: str) -> None:
    policy = next(each["content"] for each in Elements(text).of("meta") if "http-equiv" in each)
    assert policy is not None
    assert "'unsafe" not in policy
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_every_picture_is_in_the_page(text: str) -> None:
    images = Elements(text).of("img")
    assert len(images) == 26
    assert "Samples of glow on digits" in [each["alt"] for each in images]
    content = base64.b64decode(str(images[0]["src"]).partition(",")[2])
    assert content.startswith(b"\x89PNG")


def test_everything_is_stated(text: str) -> None:
    for part in (
        TITLES[INVALID],
        JOINT,
        PUBLISHED,
        "Kingma &amp; Dhariwal 2018",
        "CUDA out of memory",
        "step 41: loss nan",
        "worse than the Gaussian",
        "3 seeds, sd 0.0",
        "38 cells, 2 failed; 1 file skipped, 0 superseded",
        "made-up/cut-short.json",
        "0123abcd",
        "2.6.0",
    ):
        assert part in text


def test_names_reasons_and_outputs_are_inert(tmp_path: Path) -> None:
    cells = (
        result(EVIL, 2.0, metrics={EVIL: Measurement(1.0, EVIL)}, samples="x.png"),
        failed(f"failed {EVIL}", reason=EVIL),
        result("wrong", metrics={"bits-per-dim": bits(1.0, valid=False, objections=(EVIL,))}),
        result("set", 2.5, options={EVIL: EVIL}, suite=EVIL.replace("/", "")),
    )
    for number, each in enumerate(cells):
        write(tmp_path / str(number), each)
    elements = Elements(rendered(tmp_path))
    assert len(elements.of("script")) == 2
    assert elements.of("img") == []
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]


def test_the_charts_data_reads_back(text: str) -> None:
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    digits, fashion = json.loads(data)
    assert [row["name"] for row in digits["rows"]][:2] == ["nsf", "mrcnf"]
    assert {"cnf-coarse", "flow-matching"} & {row["name"] for row in digits["rows"]} == set()
    assert {"name": "train-speed", "unit": "images/s", "arrow": "↑"} in digits["costs"]
    glow = next(row for row in digits["rows"] if row["name"] == "glow")
    assert [len(curve) for curve in glow["curves"]] == [20, 20, 20]
    # A model has the same colour on all data.
    assert glow["colour"] == next(row for row in fashion["rows"] if row["name"] == "glow")["colour"]


def test_targets_of_their_own_are_no_axis(tmp_path: Path) -> None:
    def reached(target: float) -> dict[str, Measurement]:
        return {"time-to-bpd": Measurement(9.0, "s", "lower", conditions={"bits_per_dim": target})}

    write(tmp_path, result("a", 2.0, metrics=reached(2.1)), result("b", 2.0, metrics=reached(2.2)))
    (board,) = charts.chart_data(make_report(read_results(tmp_path)))
    assert [cost["name"] for cost in board["costs"]] == ["parameters", "training-seconds"]


def test_leaderboards_that_would_read_the_same_are_told_apart(tmp_path: Path) -> None:
    other = replace(DIGITS, revision="ffff")
    write(tmp_path, result("a", 2.0), result("a", 2.0, data=other), result("a", 2.0, environment=CUDA))
    text = rendered(tmp_path)
    for heading in (
        "quick · digits 1a2b3c4d5e6f · cpu, float32",
        "quick · digits 1a2b3c4d5e6f · cuda, bfloat16",
        "quick · digits ffff · cpu, float32",
    ):
        # In the heading, in the navigation and beside the table.
        assert text.count(heading) == 3


@pytest.mark.parametrize(
    ("given", "points"),
    [
        ([[1, 3.0], [2, 2.5]], [[1.0, 3.0], [2.0, 2.5]]),
        ([[2, 2.5], [1, 3.0]], [[1.0, 3.0], [2.0, 2.5]]),
        ([[1, 3.0], [2], "x", [None, 1], [3, "a"]], [[1.0, 3.0]]),
        ("nonsense", []),
        ([], []),
    ],
)
def test_a_curve_is_read_with_care(given: object, points: list[list[float]]) -> None:
    assert charts.curve_of({"curve": given}) == points


def test_a_long_curve_is_thinned_and_keeps_its_end() -> None:
    curve = charts.curve_of({"curve": [[second, 2.0] for second in range(10_001)]})
    assert len(curve) <= charts.POINTS
    assert curve[-1] == [10_000.0, 2.0]


@pytest.mark.parametrize(
    ("content", "remark"),
    [
        (None, "not beside the result"),
        (b"<svg onload=alert(1)>", "is no PNG picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(samples.LARGEST), "is larger than 4 MiB"),
    ],
)
def test_a_picture_that_cannot_be_shown_is_told(tmp_path: Path, content: bytes | None, remark: str) -> None:
    write(tmp_path, result("a", 2.0, samples="a.png"))
    if content is not None:
        (tmp_path / "quick" / "a.png").write_bytes(content)
    text = rendered(tmp_path)
    assert remark in text
    assert Elements(text).of("img") == []


def test_a_report_needs_no_torch() -> None:
    program = (
        "import sys, flowzoo.bench.report.page, flowzoo.bench.report.markdown; "
        "import flowzoo.bench.report.csv_text, flowzoo.bench.report.latex, flowzoo.bench.compare; "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
