"""The revision of a suite: a digest of the protocol that all of its rows follow."""

from __future__ import annotations

from typing import Any

import pytest

from flowzoo.bench.cell import cells_of
from flowzoo.bench.revision import revision_of
from flowzoo.bench.suite import parse_suite

PLAIN: dict[str, Any] = {
    "summary": "For the tests",
    "models": ["glow"],
    "data": ["digits"],
    "budget": {"steps": 5},
    "training": {"batch_size": 8},
    "metrics": [{"name": "bits-per-dim", "images": 20}],
}


def revision(**changes: Any) -> str:
    return revision_of(parse_suite("small", {**PLAIN, **changes}))


@pytest.mark.parametrize(
    "same",
    [
        {"summary": "Other words"},
        {"models": ["glow", "gaussian"]},
        {"models": [{"name": "glow", "options": {"levels": 1}, "budget": {"steps": 9}, "tuning": "none"}]},
        {"seeds": [0, 1]},
        {"keep": True},
        {"timeout": 100},
        {"samples": 0},
    ],
)
def test_what_a_row_sets_for_itself_leaves_the_revision(same: dict[str, Any]) -> None:
    assert revision(**same) == revision()


@pytest.mark.parametrize(
    "other",
    [
        {"data": ["photos"]},
        {"data": [{"name": "digits", "pixels": "affine"}]},
        {"budget": {"steps": 6}},
        {"training": {"batch_size": 9}},
        {"metrics": [{"name": "bits-per-dim", "images": 21}]},
        {"metrics": [{"name": "bits-per-dim", "images": 20}, "parameters"]},
        {"threads": 1},
    ],
)
def test_what_all_rows_follow_changes_the_revision(other: dict[str, Any]) -> None:
    assert revision(**other) != revision()


def test_places_of_files_leave_the_revision() -> None:
    places = [revision(data=[{"name": "fashion-mnist", "options": {"root": root}}]) for root in ("/a", "/b")]
    assert places[0] == places[1]


def test_cells_carry_revision_keeping_and_tuning() -> None:
    suite = parse_suite("small", {**PLAIN, "models": [{"name": "glow", "tuning": "by hand"}], "keep": True})
    (cell,) = cells_of(suite)
    assert (cell.suite_revision, cell.keep, cell.tuning) == (revision(), True, "by hand")
