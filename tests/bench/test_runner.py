from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from flowzoo.bench import planning_process
from flowzoo.bench.cell import Cell, cells_of
from flowzoo.bench.result import Result
from flowzoo.bench.runner import Runner, RunnerError
from flowzoo.bench.store import read_results
from flowzoo.bench.suite import parse_suite
from flowzoo.bench.suites import find_suite
from flowzoo.bench.watcher import SilentWatcher
from flowzoo.errors import OptionError
from flowzoo.metric import Measurement

STEPS = 8


def cells(*models: Any, **changes: Any) -> list[Cell]:
    content = {
        "summary": "For the tests",
        "models": list(models),
        "data": ["digits"],
        "budget": {"steps": STEPS},
        "training": {"batch_size": 16, "validations": 2, "validation_images": 16},
        # The audit is tested where it is made; in every process it would load what it computes with.
        "metrics": ["parameters", {"name": "bits-per-dim", "images": 30, "audit": False}],
        "threads": 1,
        "samples": 4,
        **changes,
    }
    return cells_of(parse_suite("mine", content))


class Told(SilentWatcher):
    """Remembers which cells ran and which were found."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.found: list[str] = []
        self.stages: list[tuple[str, float]] = []

    def ended(self, cell: Cell, result: Result) -> None:
        self.ran.append(cell.label)

    def progressed(self, cell: Cell, stage: str, done: float, bits_per_dim: float | None) -> None:
        self.stages.append((stage, done))

    def skipped(self, cell: Cell, result: Result) -> None:
        self.found.append(cell.label)


def run(out: Path, wanted: list[Cell], **options: Any) -> tuple[dict[str, Result], Told]:
    told = Told()
    results = Runner(out, device="cpu", watcher=told, **options).run(wanted)
    return {result.label: result for result in results}, told


def test_a_model_that_fails_is_a_row_marked_failed_and_harms_no_other(
    odd_plugin: Path, tmp_path: Path
) -> None:
    names = ("raises", "nan", "exits", "unbuildable", "unsampled", "good")

    found, _ = run(tmp_path / "out", cells(*(f"odd-{name}" for name in names)), jobs=2)

    reasons = {label: result.failure and result.failure.reason for label, result in found.items()}
    causes = {label: result.failure and result.failure.cause for label, result in found.items()}
    assert reasons["odd-good"] is None
    assert "lost on the way" in str(reasons["odd-raises"])
    assert "the loss is nan" in str(reasons["odd-nan"])
    assert "exit status 7" in str(reasons["odd-exits"])
    assert "nothing to build it of" in str(reasons["odd-unbuildable"])
    assert "no way back" in str(reasons["odd-unsampled"])
    assert causes["odd-nan"] == "not finite"
    assert causes["odd-exits"] == "crash"
    assert found["odd-exits"].failure is not None
    assert found["odd-exits"].failure.stage == "training"
    assert "about to leave" in found["odd-exits"].failure.output
    assert found["odd-unbuildable"].failure is not None
    assert found["odd-unbuildable"].failure.stage == "planning"
    # What was measured before the failure stands.
    assert found["odd-unsampled"].metrics["bits-per-dim"].value is not None
    stored = {result.label: result.status for result in read_results(tmp_path / "out").results}
    assert stored == {label: result.status for label, result in found.items()}
    assert {label for label, status in stored.items() if status == "finished"} == {"odd-good"}


def test_a_model_that_hangs_is_ended_and_goes_on_when_asked_again(odd_plugin: Path, tmp_path: Path) -> None:
    found, _ = run(tmp_path / "out", cells("odd-hangs"), timeout=15.0)

    failure = found["odd-hangs"].failure
    assert failure is not None
    assert failure.cause == "time-out"
    assert "took more than 15 s" in failure.reason
    assert re.search(r"training \d+ s", failure.reason)

    again, told = run(tmp_path / "out", cells("odd-hangs"), timeout=15.0)
    assert told.found == ["odd-hangs"]
    assert again["odd-hangs"].failure == failure


def test_a_model_whose_building_hangs_is_ended(
    odd_plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning_process, "BUILD_SECONDS", 2.0)

    found, _ = run(tmp_path / "out", cells("odd-unbuilt", "odd-unbuildable"))

    failures = {label: result.failure for label, result in found.items()}
    assert failures["odd-unbuilt"] is not None
    assert failures["odd-unbuilt"].cause == "time-out"
    assert failures["odd-unbuildable"] is not None
    assert failures["odd-unbuildable"].cause == "error"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results of three seeds, not to be changed."""
    out = tmp_path_factory.mktemp("finished") / "out"
    run(out, THREE)
    return out


THREE = cells("gaussian", seeds=[0, 1, 2])


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(finished, tmp_path / "out")


def test_what_is_finished_is_not_run_again(out: Path) -> None:
    _, told = run(out, THREE)

    assert told.ran == []
    assert len(told.found) == 3


def test_all_is_run_again_when_asked_and_gives_the_same_figures(out: Path) -> None:
    before = {result.seed: result for result in read_results(out).results}

    results = Runner(out, device="cpu", overwrite="always").run(THREE[:1])

    assert results[0].metrics == before[0].metrics
    assert results[0].key == before[0].key
    assert (out / "mine" / results[0].samples).is_file()


def test_nothing_of_before_is_taken_when_all_is_run_again(out: Path) -> None:
    stale = Runner(out, device="cpu").run(THREE[:1])[0]
    work = out / "mine/.work" / Path(stale.samples).stem
    work.mkdir()
    wrong = asdict(Measurement(77_777, unit=""))
    environment = asdict(stale.environment) if stale.environment else None
    (work / "parameters.json").write_text(json.dumps({"environment": environment, "measurement": wrong}))

    results = Runner(out, device="cpu", overwrite="always").run(THREE[:1])

    assert results[0].metrics["parameters"].value == 0


def test_failing_metrics_leave_the_others_and_what_was_trained(
    odd_plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODD_MENDED", str(tmp_path / "mended"))
    labelled = {"name": "parameters", "label": "parameters, again"}
    metrics = ["parameters", labelled, "odd-refuses", "odd-exits", "odd-raises"]
    wanted = cells("odd-good", metrics=metrics)

    first = run(tmp_path / "out", wanted)[0]["odd-good"]

    assert first.status == "failed"
    assert first.failure is not None
    assert first.failure.stage == "measuring odd-exits"
    assert first.metrics["parameters"].value == 64
    assert first.metrics["parameters, again"].value == 64
    assert first.metrics["odd-refuses"].objections == ("weights are missing; fetch them",)
    assert first.unmeasured == ("odd-refuses", "odd-exits", "odd-raises")

    (tmp_path / "mended").touch()
    (log,) = (tmp_path / "out").rglob("log.jsonl")
    before = log.read_text()
    again = run(tmp_path / "out", wanted, overwrite="failed")[0]["odd-good"]

    assert again.unmeasured == ("odd-exits", "odd-raises")
    assert again.metrics["odd-refuses"].value == 1.0
    assert log.read_text() == before, "it was trained again"


def test_a_metric_that_refuses_leaves_the_cell_finished_until_it_is_asked_again(
    odd_plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODD_MENDED", str(tmp_path / "mended"))
    wanted = cells("odd-good", metrics=["parameters", "odd-refuses"])

    first = run(tmp_path / "out", wanted)[0]["odd-good"]
    (tmp_path / "mended").touch()
    again = run(tmp_path / "out", wanted, overwrite="failed")[0]["odd-good"]

    assert (first.status, first.unmeasured) == ("finished", ("odd-refuses",))
    assert (again.status, again.unmeasured) == ("finished", ())


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="what a process has started is ended by its group")
def test_what_a_metric_leaves_running_holds_nothing_up(odd_plugin: Path, tmp_path: Path) -> None:
    began = time.monotonic()

    found, _ = run(tmp_path / "out", cells("odd-good", metrics=["odd-forks"]))
    killed, _ = run(tmp_path / "killed", cells("odd-good", metrics=["odd-forks", "odd-dies"]))

    assert found["odd-good"].status == "finished"
    assert killed["odd-good"].failure is not None
    assert killed["odd-good"].failure.stage == "measuring odd-dies"
    assert "SIGKILL" in killed["odd-good"].failure.reason
    assert time.monotonic() - began < 200


def test_failures_alone_are_run_again_when_asked(odd_plugin: Path, out: Path) -> None:
    wanted = [*THREE, *cells("odd-unbuildable")]
    run(out, wanted)

    _, never = run(out, wanted)
    _, failed = run(out, wanted, overwrite="failed")

    assert never.ran == []
    assert failed.ran == ["odd-unbuildable"]


def test_a_changed_cell_has_another_key(out: Path) -> None:
    (cell,) = cells("gaussian", training={"batch_size": 17, "validations": 2, "validation_images": 16})

    _, told = run(out, [cell])

    assert told.ran == ["gaussian"]
    assert len(list((out / "mine").glob("*seed0*.json"))) == 2
    found = read_results(out)
    assert found.superseded == 1
    assert found.results[0].training["batch_size"] == 17


def test_damaged_results_are_run_again(out: Path) -> None:
    paths = sorted((out / "mine").glob("*.json"))
    for path, damage in zip(paths, ("", '{"schema": 1', '{"schema": 99}'), strict=True):
        path.write_text(damage)

    _, told = run(out, THREE)

    assert len(told.ran) == 3
    assert all(json.loads(path.read_text())["status"] == "finished" for path in paths)


def test_two_runners_do_not_work_in_one_folder(odd_plugin: Path, tmp_path: Path) -> None:
    (tmp_path / "out/mine/.work").mkdir(parents=True)

    with (
        FileLock(tmp_path / "out/mine/.work/lock"),
        pytest.raises(RunnerError, match="another flowzoo bench run"),
    ):
        run(tmp_path / "out", cells("odd-good"))


@pytest.mark.parametrize(
    ("option", "value"),
    [("jobs", 0), ("timeout", 0.0), ("timeout", float("nan")), ("timeout", float("inf"))],
)
def test_options_out_of_range_are_refused(tmp_path: Path, option: str, value: Any) -> None:
    with pytest.raises(OptionError, match=option):
        Runner(tmp_path, **{option: value})


def test_an_unknown_device_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no device 'tpu'"):
        Runner(tmp_path, device="tpu").run(cells("gaussian"))


def test_a_plugin_may_bring_suites(odd_plugin: Path) -> None:
    assert [cell.label for cell in cells_of(find_suite("odd-suite"))] == ["odd-good"]
    with pytest.raises(OptionError, match="built a int"):
        find_suite("odd-rubbish")


def test_records_state_what_they_hold(odd_plugin: Path, tmp_path: Path) -> None:
    found, told = run(tmp_path / "out", cells("odd-good"))

    # The second of two metrics: its images move the bar from the middle to the end.
    assert ("measuring bits-per-dim", 0.5) in told.stages
    assert ("measuring bits-per-dim, images", 1.0) in told.stages

    result = found["odd-good"]
    assert result.data.name == "digits"
    assert result.data.bins == 17
    assert result.components["model:odd-good"] == 1
    assert result.parameters == 64
    assert result.metrics["parameters"].value == 64
    assert result.environment is not None
    assert result.environment.plugins["flowzoo-odd"] == "0.1.0"
    assert result.environment.threads == 1
    assert result.experiment.training.batch_size == 16
    assert result.pixels["name"] == "logit"
    assert result.spent.steps == STEPS
