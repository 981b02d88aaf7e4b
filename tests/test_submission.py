"""Results are checked before they are copied into a repository of results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowzoo.bench.cell import cells_of
from flowzoo.bench.measure import CellRun
from flowzoo.bench.plan import Planner
from flowzoo.bench.store import read_results, write_result
from flowzoo.bench.suite import parse_suite
from flowzoo.errors import OptionError
from flowzoo.submission import check_results, pack, rows_beside

SUITE = parse_suite(
    "small",
    {
        "summary": "For the tests",
        "models": ["gaussian", {"name": "gaussian", "label": "mine"}],
        "data": ["digits"],
        "budget": {"steps": 1},
        "metrics": [{"name": "bits-per-dim", "images": 12, "audit_seconds": 1.0}],
        "threads": 1,
        "samples": 0,
        "keep": True,
    },
)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("flowzoo.bench.verify.find_suite", lambda name: SUITE)
    out = tmp_path / "results"
    for cell in cells_of(SUITE):
        work = tmp_path / "work" / cell.label
        work.mkdir(parents=True)
        record = out / "small" / f"{cell.label}.json"
        record.parent.mkdir(parents=True, exist_ok=True)
        run = CellRun(cell, Planner("cpu").plan(cell), work, "cpu", 1, lambda *_, **more: None)
        write_result(record, run.run(record))
    return out


def test_sound_results_are_copied_with_all_that_belongs_to_them(results: Path, tmp_path: Path) -> None:
    checked = check_results(read_results(results), images=4, by="My lab", device="cpu")
    assert [each.faults for each in checked] == [(), ()]

    pack(checked, tmp_path / "repository")
    pack(checked, tmp_path / "repository")  # the same records may be copied again

    there = read_results(tmp_path / "repository" / "results")
    assert [each.label for each in there.results if there.verified(each)] == ["gaussian", "mine"]
    assert all(there.bits(each) is not None for each in there.results)
    (block,) = rows_beside(there, ["mine"])
    assert {row[1] for row in block.rows} == {"gaussian ✓", "mine ✓"}


def test_nothing_is_copied_if_one_record_has_a_fault(results: Path, tmp_path: Path) -> None:
    path = results / "small" / "mine.json"
    record = json.loads(path.read_text())
    record["metrics"]["bits-per-dim"]["value"] -= 0.1
    path.write_text(json.dumps(record))

    checked = check_results(read_results(results), images=4, device="cpu")

    assert [bool(each.faults) for each in checked] == [False, True]
    with pytest.raises(OptionError, match="mine on digits, seed 0 cannot be submitted"):
        pack(checked, tmp_path / "repository")
    assert not (tmp_path / "repository").exists()


def test_another_record_of_the_same_cell_is_not_replaced(results: Path, tmp_path: Path) -> None:
    checked = check_results(read_results(results), images=4, device="cpu")
    (there, _) = pack(checked, tmp_path / "repository")
    there.write_text("{}")
    with pytest.raises(OptionError, match="another record of the same cell"):
        pack(checked, tmp_path / "repository")


def test_weights_that_were_not_kept_cannot_be_submitted(results: Path) -> None:
    path = results / "small" / "mine.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": {}}))
    checked = check_results(read_results(results), images=4, device="cpu")
    assert ["not kept" in "".join(each.faults) for each in checked] == [False, True]
