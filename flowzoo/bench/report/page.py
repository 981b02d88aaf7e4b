"""A report as one HTML page that needs no network and no other file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

import flowzoo
from flowzoo.bench.report import blocks, summary, wording
from flowzoo.bench.report.aggregate import aggregates
from flowzoo.bench.report.charts import chart_data
from flowzoo.bench.report.facts import facts_of
from flowzoo.bench.report.leaderboard import Leaderboard, Report
from flowzoo.bench.report.row import Row
from flowzoo.bench.report.samples import samples_of
from flowzoo.bench.store import Results

SCRIPTS = ("plot.js", "state.js", "table.js", "room.js", "charts.js", "main.js")
"""The scripts, in the order in which they need each other; ``plot.js`` is Observable Plot with its
licences."""


Link = Callable[[Leaderboard, Row], str]
"""Returns the address of a row's own page; empty if it has none."""


def page(report: Report, results: Results, link: Link = lambda board, row: "") -> str:
    """Return the page.

    Names, reasons and outputs come from plugins and from files of others. The template escapes them, the
    data of charts is made safe within its element, and the page's policy allows only its own scripts.

    Args:
        report: The report.
        results: The results that it was made from, to find the pictures.
        link: Finds the page of a row.
    """
    style = asset("page.css")
    script = '(() => {\n"use strict";\n' + "\n".join(map(asset, SCRIPTS)) + "})();\n"
    styles = f"{style_policy(style)} '{_hash(_CHART_STYLE)}'"
    return (
        environment()
        .get_template("page.html")
        .render(
            report=report,
            pictures=[list(samples_of(board, results)) for board in report.boards],
            suites=sorted({board.suite for board in report.boards}),
            datasets=sorted({board.data.title for board in report.boards}),
            counts=summary.counts(report),
            link=link,
            skipped=list(summary.skipped_lines(report.skipped)),
            version=flowzoo.__version__,
            data=json_in_script(chart_data(report)),
            style=style,
            script=script,
            policy=f"default-src 'none'; img-src data:; {styles}; script-src '{_hash(script)}'",
        )
    )


def style_policy(style: str) -> str:
    """Return the part of a page's policy that allows one style sheet in the page."""
    return f"style-src '{_hash(style)}'"


def json_in_script(data: Any) -> str:
    r"""Return JSON that can neither end the script element it stands in nor start a comment there.

    >>> json_in_script("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(data, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def environment() -> Environment:
    """Return the templates and what they may use."""
    made = Environment(
        loader=PackageLoader("flowzoo.bench.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(aggregates=aggregates, blocks=blocks, wording=wording, facts_of=facts_of)
    return made


def asset(name: str) -> str:
    """Return the text of a file in ``assets`` that becomes a part of a page."""
    text = (files("flowzoo.bench.report") / "assets" / name).read_text("utf-8")
    assert not re.search(r"</(script|style)|<!--", text), f"{name} would end its own element"
    return text


_CHART_STYLE = """:where(.chart-svg) {
  --plot-background: white;
  display: block;
  height: auto;
  height: intrinsic;
  max-width: 100%;
}
:where(.chart-svg text),
:where(.chart-svg tspan) {
  white-space: pre;
}"""
"""The style that Observable Plot writes into each of its charts, which the policy must allow."""


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
