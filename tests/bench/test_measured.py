"""What a cell had measured when its process was ended is part of its record."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowzoo.bench.cell import Cell, cells_of
from flowzoo.bench.measured import Kept, keep, read_kept, rescue
from flowzoo.bench.plan import unplanned
from flowzoo.bench.result import Environment
from flowzoo.bench.suites import find_suite
from flowzoo.metric import NOT_AUDITED, Measurement

ENVIRONMENT = Environment("cpu", {}, "float32", 1, 1, {}, {})


@pytest.fixture
def cell() -> Cell:
    return cells_of(find_suite("quick"))[0]


def test_a_figure_whose_audit_was_cut_off_is_recorded_as_not_audited(cell: Cell, tmp_path: Path) -> None:
    figure = Measurement(2.5, "bits/dim", "lower", valid=False, objections=(NOT_AUDITED,))
    count = Measurement(236, "")
    keep(tmp_path, "bits-per-dim", Kept(ENVIRONMENT, figure), complete=False)
    keep(tmp_path, "parameters", Kept(ENVIRONMENT, count))

    found = rescue(unplanned(cell), cell, tmp_path)

    assert found.metrics == {"bits-per-dim": figure, "parameters": count}
    assert found.environment == ENVIRONMENT
    assert "bits-per-dim" in found.unmeasured  # so that it is measured again when the suite goes on
    assert "parameters" not in found.unmeasured


def test_a_complete_measurement_counts_before_its_first_part(cell: Cell, tmp_path: Path) -> None:
    for value, complete in ((2.5, False), (2.25, True)):
        keep(tmp_path, "bits-per-dim", Kept(ENVIRONMENT, Measurement(value, "bits/dim")), complete=complete)

    assert rescue(unplanned(cell), cell, tmp_path).metrics["bits-per-dim"].value == 2.25


def test_nothing_is_rescued_where_nothing_was_measured(cell: Cell, tmp_path: Path) -> None:
    (tmp_path / "bits-per-dim.json").write_text('{"measurement": ')

    assert read_kept(tmp_path, "bits-per-dim") is None
    assert rescue(unplanned(cell), cell, tmp_path) == unplanned(cell)
