"""Several processes that compute a step together train the model that one trains alone."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from flowzoo.cli.together import begun_before
from flowzoo.errors import OptionError
from flowzoo.experiment.parse import parse_experiment
from flowzoo.runfolder import RunFolder
from flowzoo.training.apart.levels_apart import Apart
from flowzoo.training.log import TrainingLog
from flowzoo.training.resume import resume_run
from flowzoo.training.start import start_run
from flowzoo.training.together.launch import Launch, launch
from flowzoo.training.together.leader import Leader
from flowzoo.training.together.team import Team
from tests.training.conftest import TINY
from tests.training.launched import (
    drifting,
    flowzoo,
    gradient,
    leaving,
    restarted,
    run,
    spoiled,
    together,
    without_data,
)

KILLS = int(os.environ.get("FLOWZOO_KILLS", "2"))

GLOW = {"levels": 1, "last": {"steps": 1, "network": {"hidden": 4}}}
ADAPTIVE = {**TINY, "bijector": {**TINY["bijector"], "objective": "likelihood", "steer": 0.5}}
TRAINING = {"batch_size": 4, "accumulate": 4, "validations": 10, "validation_images": 16}


@pytest.mark.parametrize(
    ("model", "options", "count"), [("glow", GLOW, 2), ("glow", GLOW, 4), ("mrcnf", ADAPTIVE, 2)]
)
def test_the_gradient_is_that_of_one_process(
    tmp_path: Path, model: str, options: dict[str, Any], count: int
) -> None:
    with together(count, tmp_path / "printed", gradient, model, options, tmp_path):
        gradient(model, options, tmp_path)
    expected = load_file(tmp_path / "1-0.safetensors")
    scale = float(torch.cat([each.reshape(-1) for each in expected.values()]).abs().max())
    for rank in range(count):
        found = load_file(tmp_path / f"{count}-{rank}.safetensors")
        assert found.keys() == expected.keys()
        for name, each in expected.items():
            torch.testing.assert_close(found[name], each, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs the threads that Linux lists")
def test_no_thread_of_gloo_is_left_that_could_abort_a_process_as_it_ends(tmp_path: Path) -> None:
    codes, lines = run(2, tmp_path / "printed", work=leaving)
    assert codes == [0, 0], lines
    assert len(lines) == 2
    assert not any("gloo" in line for line in lines), lines


STEPS = 40


def settings(folder: Path, **training: Any) -> list[str]:
    """Return the arguments of a tiny Glow, which has ActNorm and whitens its images."""
    given = {**GLOW, "training": {**TRAINING, **training}}
    chosen = [each for name, value in given.items() for each in ("--set", f"{name}={json.dumps(value)}")]
    start = ["train", "glow", "--data", "digits", "--steps", str(STEPS), "--device", "cpu"]
    return [*start, "--out", str(folder), *chosen]


def tensors(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "checkpoint.safetensors")


def figures(folder: Path) -> list[float | None]:
    return [each.get("validation_bits_per_dim") for each in TrainingLog(folder / "log.jsonl").read()]


def assert_alike(first: Path, second: Path) -> None:
    """Compare weights, averages and optimiser up to rounding, and the figures of all validations."""
    ours, theirs = tensors(first), tensors(second)
    assert ours.keys() == theirs.keys()
    for name, each in ours.items():
        torch.testing.assert_close(each, theirs[name], rtol=1e-4, atol=1e-5, msg=name)
    assert figures(first) == pytest.approx(figures(second), abs=1e-5)
    steps = [[each["step"] for each in TrainingLog(each / "log.jsonl").read()] for each in (first, second)]
    assert steps[0] == steps[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of one process."""
    folder = tmp_path_factory.mktemp("one") / "run"
    asked = {"model": "glow", "data": "digits", "budget": {"steps": STEPS}, "options": GLOW}
    start_run(folder, parse_experiment({**asked, "training": TRAINING}), device="cpu")
    return folder


def test_two_processes_train_what_one_trains_and_write_it_once(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    codes, lines = run(2, tmp_path / "printed", *settings(folder))
    assert codes == [0, 0], lines
    assert_alike(whole, folder)
    fitted = [name for name in tensors(whole) if name.startswith("model/") and "whiten" in name]
    assert fitted
    assert all(torch.equal(tensors(whole)[name], tensors(folder)[name]) for name in fitted)
    begins = [line.split()[0] for line in lines if not line.startswith("all levels")]
    assert begins == ["data:", "trained", "next:"]
    assert (RunFolder(folder).read().processes, RunFolder(whole).read().processes) == (2, 1)
    assert sorted(each.name for each in folder.iterdir()) == sorted(each.name for each in whole.iterdir())


def disturb(folder: Path, count: int, number: int, victim: int, seconds: float) -> list[str]:
    """Go on with a run, and send one process a signal some time after it writes; return what is printed."""
    record, printed = folder / "run.json", folder.with_suffix(".txt")
    printed.unlink(missing_ok=True)
    before = record.stat().st_mtime_ns if record.exists() else 0
    go_on = ["train", "--resume", "--device", "cpu", "--out", str(folder)]
    with together(count, printed, flowzoo, *(go_on if before else settings(folder))) as processes:
        while processes[0].is_alive() and not (record.exists() and record.stat().st_mtime_ns > before):
            time.sleep(0.005)
        time.sleep(seconds)
        with suppress(ProcessLookupError):
            os.kill(processes[victim].pid or 0, number)
    lines = printed.read_text().splitlines()
    assert count == 1 or len([line for line in lines if "error" in line or "interrupted" in line]) <= 1, lines
    return lines


def test_a_signal_to_one_process_stops_all_and_one_goes_on(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    *_, last = disturb(folder, 2, signal.SIGTERM, 1, 0.2)
    assert re.search(r"interrupted at step \d+, which is saved", last), last
    assert 0 < RunFolder(folder).read().steps < STEPS
    assert resume_run(folder, device="cpu").processes == 1
    assert_alike(whole, folder)


def test_processes_that_are_killed_at_random_moments_lose_nothing(whole: Path, tmp_path: Path) -> None:
    moments = random.Random(1)
    folder = tmp_path / "run"
    lost = 0
    for _ in range(KILLS):
        lines = disturb(folder, 2, signal.SIGKILL, moments.randrange(2), moments.uniform(0.0, 1.0 / KILLS))
        lost += any("one of the 2 processes of this training has ended" in line for line in lines)
    assert lost
    codes, lines = run(4, tmp_path / "printed", *settings(folder), work=restarted)
    assert codes == [0] * 4, lines
    assert_alike(whole, folder)
    assert not [each for each in folder.iterdir() if each.name.startswith(".")]


def test_a_restart_goes_on_with_its_own_run_alone(whole: Path) -> None:
    asked = {"model": "glow", "data": "digits", "budget": {"steps": STEPS}, "options": GLOW}
    asked["training"] = TRAINING
    again = Launch(0, 2, 0, restarts=1)
    assert begun_before(again, whole, parse_experiment(asked))
    assert not begun_before(Launch(0, 2), whole, parse_experiment(asked))
    assert not begun_before(again, whole.parent, parse_experiment(asked))
    others = ({"model": "realnvp", "options": {}}, {"budget": {"steps": 1}}, {"options": {}}, {"seed": 1})
    for other in others:
        assert not begun_before(again, whole, parse_experiment({**asked, **other}))


def test_numbers_that_are_not_finite_in_one_process_are_skipped_by_all(tmp_path: Path) -> None:
    found = []
    for count in (1, 2):
        folder = tmp_path / str(count)
        codes, lines = run(count, tmp_path / f"{count}.txt", *settings(folder), work=spoiled)
        assert codes == [0] * count, lines
        records = TrainingLog(folder / "log.jsonl").read()
        found.append([(each["step"], each.get("skipped"), each.get("went_back_to")) for each in records])
        assert len([line for line in lines if "skipped" in line]) == 2
    assert found[0] == found[1]
    assert (21, "the solver gave up", None) in found[0]
    assert (25, None, 20) in found[0]
    assert_alike(tmp_path / "1", tmp_path / "2")


@pytest.mark.parametrize(
    ("work", "arguments", "message"),
    [
        (
            flowzoo,
            settings(Path("run"), accumulate=3),
            "2 processes.*accumulate=2 and .*size=6, or start 1 or 3",
        ),
        (flowzoo, ["train", "--stepz", "3"], "no such option"),
        (without_data, settings(Path("run")), "process 1 on machine .*: there are no images here"),
        (drifting, settings(Path("run")), "process 1 has other weights than process 0"),
    ],
)
def test_what_is_wrong_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Any, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    codes, lines = run(2, tmp_path / "printed", *arguments, work=work)
    assert codes[0] == 2
    assert len([line for line in lines if line.startswith("error")]) == 1, lines
    assert re.search(message, lines[-1]), lines
    assert not (tmp_path / "run").exists() or work is drifting


def test_trainings_that_cannot_be_shared_are_refused(tmp_path: Path) -> None:
    leader = Leader(Team(Launch(0, 2)))
    asked = {"model": "wavelet-flow", "data": "digits", "budget": {"steps": 2}}
    cases = {
        "training.adversarial=levels needs a single process": ({"adversarial": "levels"}, None),
        "Start one process for --parallel levels": ({"order": "separately"}, Apart()),
    }
    for message, (training, apart) in cases.items():
        experiment = parse_experiment({**asked, "training": {"accumulate": 2, **training}})
        with pytest.raises(OptionError, match=message):
            start_run(tmp_path / "run", experiment, device="cpu", leader=leader, apart=apart)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Launch()),
        ({"RANK": "1", "WORLD_SIZE": "2"}, Launch()),  # nothing says where the others are
        ({"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, Launch()),
        ({"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, Launch(3, 4)),
        (
            {"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "a", "MASTER_PORT": "1", "LOCAL_RANK": "1"}
            | {"TORCHELASTIC_RESTART_COUNT": "2"},
            Launch(3, 4, 1, restarts=2),
        ),
    ],
)
def test_how_processes_were_started_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], expected: Launch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert launch() == expected
    monkeypatch.setenv("WORLD_SIZE", "two")
    if expected != Launch():
        with pytest.raises(OptionError, match="torchrun"):
            launch()
