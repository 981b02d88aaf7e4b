"""A suite of couplings with planted mistakes beside Glow: none of them is ranked, each for its own reason."""

from __future__ import annotations

from pathlib import Path

from flowzoo.bench.cell import cells_of
from flowzoo.bench.report.leaderboard import INVALID, make_report
from flowzoo.bench.runner import Runner
from flowzoo.bench.store import read_results
from flowzoo.bench.suites import find_suite

PLANTED = Path(__file__).parents[2] / "benchmarks" / "audit" / "planted"

REASONS = {
    "wrong sign": ("log_det off by +", "the sign is wrong"),
    "bits": ("log_det off by +", "bits instead of nats"),
    "halved": ("log_det off by +", "a factor of 0.5"),
    "right before training": ("log_det off by +", "a constant of +"),
    "inverse without context": ("decode(encode(x)) is off by",),
}


def test_planted_mistakes_are_never_ranked(planted_plugin: None, tmp_path: Path) -> None:
    wanted = [
        cell
        for cell in cells_of(find_suite(str(PLANTED / "suite.yaml")))
        if cell.label in {"glow", "sound", *REASONS}
    ]

    Runner(tmp_path / "out", device="cpu").run(wanted)

    (board,) = make_report(read_results(tmp_path / "out")).boards
    assert {each.row.label for each in board.ranked} == {"glow", "sound"}
    assert {row.label for row in board.apart[INVALID]} == {*REASONS}
    for row in board.apart[INVALID]:
        assert row.quality is not None
        said = "; ".join(row.quality.objections)
        assert said.startswith("no density: ")
        assert all(each in said for each in REASONS[row.label]), said
    # What a wrong sign is worth, if nobody looks.
    figures = {row.label: row.quality.value for row in board.rows if row.quality is not None}
    assert min(figures, key=lambda label: figures[label] or 0.0) == "wrong sign"
    for row in board.rows:
        (cell,) = row.finished
        seconds = cell.metrics["bits-per-dim"].audit_seconds
        assert seconds is not None
        assert seconds > 0.0
