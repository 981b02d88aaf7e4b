"""The page in a browser: it loads without a complaint, sorts, filters, and runs nobody else's script."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flowzoo.bench.report.leaderboard import make_report
from flowzoo.bench.report.page import page
from flowzoo.bench.store import read_results
from flowzoo.metric import Measurement
from tests.bench.report.made_up import failed, result, write
from tests.bench.report.showcase import showcase

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome, and none is installed")

EVIL = "</script><script>seen.evil = 1</script>'\"><img src=x onerror='seen.evil = 2'>"

PROBE = """<script>
const seen = { complaints: [], evil: 0 };
addEventListener("error", (event) => seen.complaints.push(String(event.message)), true);
addEventListener("unhandledrejection", (event) => seen.complaints.push(String(event.reason)));
document.addEventListener("securitypolicyviolation", (event) => seen.complaints.push(event.blockedURI));
for (const kind of ["error", "warn"]) console[kind] = (...what) => seen.complaints.push(what.join(" "));
addEventListener("load", () => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const rows = () => all("#board-0 .leaderboard tbody tr").filter((row) => !row.hidden);
  const names = () => rows().map((row) => row.dataset.row);
  try { (() => { STEPS })(); } catch (error) { seen.complaints.push(String(error)); }
  const told = document.createElement("pre");
  told.id = "probe";
  told.textContent = JSON.stringify(seen);
  document.body.append(told);
});
</script>"""


def browse(folder: Path, results: Path, steps: str, address: str = "") -> dict[str, Any]:
    """Open the results' page, take the steps, and return what was seen."""
    found = read_results(results)
    # The probe stands before the page's policy, which holds for what comes after it.
    text = page(make_report(found), found).replace("<head>", "<head>" + PROBE.replace("STEPS", steps), 1)
    path = folder / "page.html"
    path.write_text(text)
    assert BROWSER is not None
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}",
        "--virtual-time-budget=5000",
        "--dump-dom",
        f"{path.as_uri()}{address}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    told = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.S)
    assert told, done.stderr[-2000:]
    return dict(json.loads(html.unescape(told[1])))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return showcase(tmp_path_factory.mktemp("results"))


def test_the_page_loads_sorts_and_filters(folder: Path, tmp_path: Path) -> None:
    steps = """
    const heading = (text) => all("#board-0 .leaderboard th").find((each) => each.textContent.includes(text));
    const click = (text) => heading(text).querySelector("button").click();
    seen.first = names();
    click("train-speed");
    seen.fastest = names();
    seen.order = heading("train-speed").getAttribute("aria-sort");
    seen.others = all("#board-0 th[aria-sort]").length;
    click("train-speed");
    seen.slowest = names();
    click("model");
    seen.alphabet = names();
    seen.marks = all("#board-0 [data-chart=scatter] .series > *").length;
    seen.curves = all("#board-0 [data-chart=curves] .curve > *").length;
    const filter = document.getElementById("filter");
    filter.value = "WAVELET flow";
    filter.dispatchEvent(new Event("input"));
    seen.filtered = names();
    seen.shown = document.getElementById("shown").textContent;
    seen.marksFiltered = all("#board-0 [data-chart=scatter] .series > *").length;
    const data = document.getElementById("dataset");
    data.value = "fashion-mnist";
    data.dispatchEvent(new Event("input"));
    seen.boards = all(".board").filter((each) => !each.hidden).map((each) => each.dataset.dataset);
    seen.address = location.hash;
    """
    seen = browse(tmp_path, folder, steps)
    assert seen["complaints"] == []
    assert (seen["first"][0], seen["first"][-2:]) == ("nsf", ["gaussian", "haar-affine"])
    # More images a second are better, so they come first; the row without a figure is always last.
    assert (seen["fastest"][:2], seen["fastest"][-1]) == (["haar-affine", "wavelet-flow"], "gaussian")
    assert (seen["slowest"][0], seen["slowest"][-1]) == ("ffjord-rnode", "gaussian")
    assert (seen["order"], seen["others"]) == ("descending", 1)
    assert seen["alphabet"] == sorted(seen["first"])
    assert (seen["marks"], seen["curves"]) == (12, 16)
    wavelets = ["msflow-wavelet", "wavelet-flow", "wavelet-flow-annealed"]
    assert seen["filtered"] == wavelets
    assert seen["shown"].startswith("6 of ")
    assert seen["marksFiltered"] == 3
    assert seen["boards"] == ["fashion-mnist"]
    assert seen["address"] == "#sort=0.1.ascending&filter=WAVELET+flow&data=fashion-mnist"


def test_a_view_is_opened_by_its_address(folder: Path, tmp_path: Path) -> None:
    steps = """
    seen.names = names();
    seen.axis = document.querySelector("[data-axis]").value;
    seen.title = document.querySelector("#board-0 svg [aria-label='x-axis label']").textContent;
    """
    seen = browse(
        tmp_path, folder, steps, "#sort=0.1.descending,9.9.ascending&filter=flow&cost=train-speed&suite=x"
    )
    assert seen["complaints"] == []
    assert seen["names"] == ["wavelet-flow-annealed", "wavelet-flow", "msflow-wavelet", "msflow-image"]
    assert (seen["axis"], seen["title"]) == ("train-speed", "train-speed [images/s]")


def test_nobody_else_s_script_runs(tmp_path: Path) -> None:
    curve = Measurement(1.0, EVIL, details={"curve": [[1, 3.0], [2, 2.0]]})
    cells = (
        result(EVIL, 2.0, metrics={EVIL: Measurement(1.0, EVIL), "time-to-bpd": curve}),
        failed(f"failed {EVIL}", reason=EVIL),
    )
    steps = """
    seen.names = names();
    seen.images = all("img").length;
    const [mark] = all(".series > *");
    const at = mark.getBoundingClientRect();
    const event = { clientX: at.x + 3, clientY: at.y + 3, pointerType: "mouse", bubbles: true };
    mark.closest("svg").dispatchEvent(new PointerEvent("pointermove", event));
    seen.tip = mark.closest("svg").querySelector("[aria-label=tip]").textContent;
    seen.lit = names().filter((_, place) => rows()[place].classList.contains("lit"));
    mark.focus();
    seen.focused = document.activeElement.getAttribute("aria-label");
    """
    seen = browse(tmp_path, write(tmp_path / "results", *cells), steps)
    assert (seen["complaints"], seen["evil"], seen["images"]) == ([], 0, 0)
    assert seen["names"][0].startswith("</script><script>seen.evil")
    # The tip breaks lines at zero-width spaces.
    assert seen["tip"].replace("\u200b", "").startswith("</script><script>seen.evil")
    assert seen["lit"] == seen["names"]
    assert seen["focused"].startswith("</script><script>seen.evil")


def test_charts_bear_what_is_far_off_or_cannot_be_on_their_scale(tmp_path: Path) -> None:
    curve = Measurement(9.0, "s", details={"curve": [[0, 4.0], [1, 3.0], [2, 2.1]]})
    never = Measurement(None, "s", details={"curve": [[0, 4.0]]})
    cells = (
        result("good", 2.0, metrics={"time-to-bpd": curve}, parameters=1000),
        result("fair", 2.2, metrics={"time-to-bpd": curve}, parameters=3000),
        result("diverged", 1e6, metrics={"time-to-bpd": never}, parameters=2000),
        result("bare", 2.1, parameters=0),
        result("gaussian", 2.3, metrics={"time-to-bpd": curve}),
    )
    steps = """
    const text = (each) => each.textContent;
    const texts = (chart, part) => all(`[data-chart=${chart}] > .plot > ${part}`).map(text);
    const tick = () => document.querySelector("[data-chart=scatter] [data-log]").click();
    seen.left = texts("scatter", ".signs");
    seen.labels = texts("scatter", "svg .label text");
    seen.ticks = texts("scatter", "svg [aria-label='y-axis tick label'] text").map(Number);
    seen.heights = all("[data-chart=scatter] .series > *").map((each) => each.getBoundingClientRect().y);
    seen.best = all("[data-chart=scatter] .series > *").map((each) => each.dataset.row);
    tick();
    seen.linear = texts("scatter", ".signs");
    seen.marks = all("[data-chart=scatter] .series > *").map((each) => each.dataset.row);
    seen.floors = all("[data-chart=curves] .floor-line").length;
    seen.curves = all("[data-chart=curves] .series > *").map((each) => each.dataset.row);
    seen.missing = texts("curves", ".signs");
    """
    seen = browse(tmp_path, write(tmp_path / "results", *cells), steps)
    assert seen["complaints"] == []
    assert seen["left"] == ["Not on a log scale, for want of a figure above zero: bare."]
    assert {"good", "fair", "diverged ↑ 1M", "gaussian: the floor, 2.300"} == set(seen["labels"])
    # The others have the height of the chart; what diverged stands at its upper edge.
    assert len(seen["ticks"]) > 2
    heights = dict(zip(seen["best"], seen["heights"], strict=True))
    assert heights["diverged"] < heights["fair"] - 30 < heights["good"] - 60
    assert (seen["linear"], sorted(seen["marks"])) == ([], ["bare", "diverged", "fair", "good"])
    # Validation figures are not measured against a test figure.
    assert (seen["floors"], seen["curves"]) == (0, ["good", "fair", "gaussian"])
    assert seen["missing"] == ["Not on a log scale, for want of seconds above zero: diverged."]


def test_names_of_many_curves_do_not_lie_on_each_other(tmp_path: Path) -> None:
    cells = [
        result(
            f"model-{number}",
            2 + number / 1000,
            metrics={
                "time-to-bpd": Measurement(9.0, "s", details={"curve": [[1, 3.0], [10 * (number + 1), 2.0]]})
            },
        )
        for number in range(60)
    ]
    steps = """
    const names = all("[data-chart=curves] .label text");
    seen.heights = names.map((each) => each.getBoundingClientRect().y).sort((a, b) => a - b);
    seen.names = names.map((each) => each.textContent);
    seen.legend = all("[data-chart=curves] .legend li").length;
    const axis = (part) => all(`[data-chart=curves] [aria-label='x-axis ${part}'] > *`);
    seen.marks = axis("tick").length;
    seen.ticks = axis("tick label").map((each) => each.textContent);
    """
    seen = browse(tmp_path, write(tmp_path / "results", *cells), steps)
    assert seen["complaints"] == []
    assert 30 < len(seen["names"]) < 60
    assert seen["names"] == [f"model-{number}" for number in range(len(seen["names"]))]
    assert min(b - a for a, b in zip(seen["heights"], seen["heights"][1:], strict=False)) >= 13.9
    assert seen["legend"] == 60
    # Three decades: every mark on the logarithmic axis has its number.
    assert len(seen["ticks"]) == seen["marks"]
    assert set(seen["ticks"]) >= {"1", "2", "5", "10", "20", "50", "100", "200", "500"}
