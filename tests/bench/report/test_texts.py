"""Markdown, CSV and LaTeX are well-formed whatever the names are."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from flowzoo.bench.report.blocks import TITLES
from flowzoo.bench.report.csv_text import csv_text
from flowzoo.bench.report.latex import latex
from flowzoo.bench.report.leaderboard import FAILED, INVALID, Report, make_report
from flowzoo.bench.report.markdown import markdown
from flowzoo.bench.report.wording import clean
from flowzoo.bench.store import Results, SkippedFile, identity
from flowzoo.component import Published
from flowzoo.metric import Measurement
from tests.bench.report.made_up import DIGITS, bits, failed, result

NASTY = 'a|b\\c_d{e}$f%g#h&i~j^k<script>"l"\n*m*, =n'
LINE = clean(NASTY)


@pytest.fixture
def report() -> Report:
    wrong = bits(0.5, valid=False, objections=(f"because {NASTY}",))
    speed = Measurement(1234.5, "images/s|_", "higher", 12.0, repeats=False)
    paper = Published("CIFAR-10", 1.25, "Anyone & Co", remark="50% of it")
    cells = (
        result("glow", 2.5, metrics={"my_speed|": speed}, published=(paper,)),
        result("gaussian", 2.4),
        result(NASTY, 2.25),
        result("wrong", metrics={"bits-per-dim": wrong}),
        result("joint", metrics={"bits-per-dim": bits(3.0, joint=1.0)}),
        result("no likelihood"),
        failed("broken", reason=NASTY),
    )
    folders = {identity(each): Path() for each in cells}
    skipped = (SkippedFile(Path("quick/cut_short.json"), "it is cut short"),)
    return make_report(Results(cells, skipped, 2, folders))


def test_every_markdown_table_has_as_many_cells_in_each_line(report: Report) -> None:
    lines = markdown(report).splitlines()
    tables: list[list[int]] = [[]]
    for line in lines:
        if line.startswith("|"):
            tables[-1].append(len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)))
        elif tables[-1]:
            tables.append([])
    tables = [each for each in tables if each]
    assert len(tables) == 6
    assert all(len(set(widths)) == 1 and len(widths) >= 3 for widths in tables)


def test_markdown_has_everything(report: Report) -> None:
    text = markdown(report)
    assert "<script>" not in text
    for part in (
        TITLES[INVALID],
        "joint\\_bpd",
        TITLES[FAILED],
        "1.25",
        "worse than the Gaussian",
    ):
        assert part in text
    assert "7 cells, 1 failed; 1 file skipped, 2 superseded" in text
    assert "quick/cut\\_short.json: it is cut short" in text
    assert "| 2.500 ± 0.010 | 1.00k | 60.2 | 1.23k ± 12 |" in text
    assert "half the interquartile range" in text


def test_csv_reads_back(report: Report) -> None:
    rows = {row["label"]: row for row in csv.DictReader(io.StringIO(csv_text(report)))}
    assert set(rows) == {"glow", "gaussian", LINE, "wrong", "joint", "no likelihood", "broken"}
    assert all(None not in row and None not in row.values() for row in rows.values())
    assert {label: row["standing"] for label, row in rows.items()} == {
        "glow": "ranked",
        "gaussian": "floor",
        LINE: "ranked",
        "wrong": "invalid",
        "joint": "ranked",
        "no likelihood": "no likelihood",
        "broken": "failed",
    }
    assert (rows[LINE]["rank"], rows["gaussian"]["rank"], rows["glow"]["rank"]) == ("1", "", "2")
    assert float(rows["glow"]["my_speed|"]) == 1234.5
    assert rows["glow"]["my_speed| unit"] == "images/s|_"
    assert float(rows["joint"]["joint_bpd"]) == 1.0
    assert rows["wrong"]["not valid"] == "bits-per-dim"
    assert rows["broken"]["failure"] == f"training: not finite: {LINE}"
    assert rows["broken"]["bits-per-dim"] == ""


def test_csv_has_the_data_set_s_label() -> None:
    cell = result("a", 2.0, data=replace(DIGITS, label="small digits"))
    (row,) = csv.DictReader(io.StringIO(csv_text(make_report(Results((cell,), (), 0, {})))))
    assert (row["data"], row["data label"]) == ("digits", "small digits")


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@a"])
def test_csv_holds_no_formula_and_figures_stay_numbers(start: str) -> None:
    cells = (result(start, -2.5, metrics={start: Measurement(-1.0, start)}, model=f"\n{start}"),)
    text = csv_text(make_report(Results(cells, (), 0, {identity(each): Path() for each in cells})))
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["label"], row["model"], row[f"'{start} unit"]) == (f"'{start}",) * 3
    assert (row["bits-per-dim"], row[f"'{start}"]) == ("-2.5", "-1.0")
    assert not any(cell.startswith(("=", "@")) for line in csv.reader(io.StringIO(text)) for cell in line)


def test_latex_is_balanced_and_escaped(report: Report) -> None:
    text = latex(report)
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    # Of what is special to LaTeX, only our own commands, cells and formulas are left.
    bare = re.sub(r"\\[a-zA-Z]+|\\[{}$&#%_]|\\\\", "", body)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not set('#%_^~"<>|') & set(bare)
    opened, closed = re.findall(r"\\begin{(\w+)}", text), re.findall(r"\\end{(\w+)}", text)
    assert sorted(opened) == sorted(closed)
    assert opened.count("tabular") == 6
    for table in re.findall(r"\\begin{tabular}{(.*?)}\n(.*?)\\end{tabular}", body, re.S):
        columns = len(re.sub(r"p\{[^}]*\}?", "p", table[0]).replace("}", ""))
        lines = [line for line in table[1].splitlines() if line.endswith("\\\\")]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {columns - 1}
