"""A folder of results."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flowzoo.bench.result import DataFacts
from flowzoo.bench.store import ResultsError, read_results, write_result
from flowzoo.errors import FileError
from flowzoo.metric import Measurement
from tests.bench.report.made_up import CPU, CUDA, DIGITS, failed, result, write

OLD, NEW = "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00Z"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    curve = Measurement(None, "s", objections=("never there",), details={"curve": [[1.5, 3.25], [3.0, 2.5]]})
    written = result("glow", 2.5, metrics={"time-to-bpd": curve}), failed("realnvp", environment=None)
    results = read_results(write(tmp_path, *written))
    # asdict and JSON make lists of tuples within mappings only; the records hold none there.
    assert results.results == written
    assert results.skipped == ()
    assert results.superseded == 0


def test_a_suite_or_a_file_can_be_read_alone(tmp_path: Path) -> None:
    write(tmp_path, result("glow", 2.5))
    write(tmp_path, result("glow", 2.4, suite="full"))
    assert [each.suite for each in read_results(tmp_path).results] == ["full", "quick"]
    assert [each.suite for each in read_results(tmp_path / "full").results] == ["full"]
    assert [each.suite for each in read_results(tmp_path / "quick" / "0.json").results] == ["quick"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"schema": 1, "key": "ab', "cut short"),
        (b"", "cut short"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"a": 1}', "states no schema"),
        (b"[1, 2]", "states no schema"),
        (b'{"schema": 99}', "has schema 99"),
        (b'{"schema": "4"}', "has schema '4'"),
        (b'{"schema": 1, "key": 3}', "damaged"),
        (b'{"schema": 1, "value": NaN}', "holds NaN"),
        (b'{"schema": 1, "value": 1e999}', "holds 1e999"),
        (b'{"schema": 1, "value": ' + b"9" * 5000 + b"}", "holds 9999"),
    ],
)
def test_a_file_that_is_no_result_is_named_and_skipped(tmp_path: Path, content: bytes, reason: str) -> None:
    write(tmp_path, result("glow", 2.5))
    bad = tmp_path / "quick" / "bad.json"
    bad.write_bytes(content)
    results = read_results(tmp_path)
    assert len(results.results) == 1
    assert [each.path for each in results.skipped] == [bad]
    assert reason in results.skipped[0].reason


def test_a_file_that_cannot_be_opened_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, result("glow", 2.5))
    (tmp_path / "quick" / "gone.json").symlink_to(tmp_path / "nowhere.json")
    results = read_results(tmp_path)
    assert "cannot be read" in results.skipped[0].reason


def test_the_newest_of_a_cell_counts_whatever_the_files_are_called(tmp_path: Path) -> None:
    newer, older = result("glow", 2.0, date=NEW), result("glow", 3.0, date=OLD)
    other_seed = result("glow", 2.2, date=OLD, seed=1)
    results = read_results(write(tmp_path, newer, older, other_seed))
    assert results.results == (newer, other_seed)
    assert results.superseded == 1


def test_devices_and_precisions_do_not_supersede_each_other(tmp_path: Path) -> None:
    cuda = result("glow", 2.1, date=NEW, environment=CUDA)
    second_gpu = result("glow", 2.2, date=OLD, environment=replace(CUDA, device="cuda:1"))
    single = result("glow", 2.3, date=OLD, environment=replace(CUDA, precision="float32"))
    cpu = result("glow", 2.4, date=OLD, environment=CPU)
    results = read_results(write(tmp_path, cuda, second_gpu, single, cpu))
    assert {each.metrics["bits-per-dim"].value for each in results.results} == {2.1, 2.3, 2.4}
    assert results.superseded == 1


def test_data_of_another_revision_does_not_supersede(tmp_path: Path) -> None:
    old = result("glow", 2.0, date=OLD)
    new = result("glow", 2.5, date=NEW, data=replace(DIGITS, revision="ffff"))
    results = read_results(write(tmp_path, old, new))
    assert results.results == (old, new)
    assert results.superseded == 0


def test_a_failure_to_read_the_data_goes_once_the_cell_is_run_again(tmp_path: Path) -> None:
    unread = failed("glow", date=OLD, data=DataFacts("digits"))
    finished = result("glow", 2.0, date=NEW)
    elsewhere = result("glow", 2.0, date=NEW, environment=CUDA)
    assert read_results(write(tmp_path / "here", unread, finished)).results == (finished,)
    assert read_results(write(tmp_path / "there", unread, elsewhere)).results == (unread, elsewhere)


@pytest.mark.parametrize(("when", "left"), [(OLD, 1), (NEW, 2)])
def test_a_failure_on_an_unknown_device_goes_once_the_cell_is_run_again(
    tmp_path: Path, when: str, left: int
) -> None:
    unknown = failed("glow", date=when, environment=None)
    finished = result("glow", 2.0, date="2026-01-01T12:00:00+00:00")
    results = read_results(write(tmp_path, unknown, finished))
    assert len(results.results) == left
    assert results.superseded == 2 - left


def test_hidden_folders_are_not_entered(tmp_path: Path) -> None:
    write(tmp_path, result("glow", 2.5))
    write(tmp_path / ".work", result("realnvp", 2.5))
    assert [each.label for each in read_results(tmp_path).results] == ["glow"]


def test_a_folder_that_is_missing_or_empty_is_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"no results at .*run: flowzoo bench run quick --out"):
        read_results(tmp_path / "nowhere")
    with pytest.raises(ResultsError, match="holds no results; run: flowzoo bench run quick --out"):
        read_results(tmp_path)
    (tmp_path / "other.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(ResultsError, match=r"though 1 file of JSON: other\.json: .*no schema"):
        read_results(tmp_path)


def test_a_picture_is_one_beside_the_record_and_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"")
    there, gone, outside, link = (
        result("a", samples="a.png"),
        result("b", samples="b.png"),
        result("c", samples="../secret.png"),
        result("d", samples="link.png"),
    )
    write(tmp_path, there, gone, outside, link)
    (tmp_path / "quick" / "a.png").write_bytes(b"")
    (tmp_path / "quick" / "link.png").symlink_to(tmp_path / "secret.png")
    results = read_results(tmp_path)
    assert results.picture(there) == tmp_path / "quick" / "a.png"
    assert [results.picture(each) for each in (gone, outside, link)] == [None, None, None]


def test_a_result_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "quick").write_text("a file")
    with pytest.raises(FileError, match="cannot make the folder"):
        write_result(tmp_path / "quick" / "0.json", result("glow"))
