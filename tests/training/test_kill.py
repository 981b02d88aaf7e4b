"""SIGKILL at random moments: what was trained goes on from the last checkpoint and ends as if undisturbed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from flowzoo.experiment.parse import parse_experiment
from flowzoo.runfolder import RunFolder
from flowzoo.training.resume import resume_run
from flowzoo.training.start import start_run
from tests.training.test_runs import assert_same_weights

KILLS = int(os.environ.get("FLOWZOO_KILLS", "2"))
STEPS = 400
OPTIONS = {"levels": 1, "last": {"checkerboard": 2, "channel": 0, "network": {"hidden": 4, "blocks": 0}}}
TRAINING = {"batch_size": 4, "validations": 100, "validation_images": 8}
"""Every fourth step writes model, checkpoint, record and log, so that many kills meet a write."""


def train(folder: Path, seconds: float) -> bool:
    """Go on with a run in a process that is killed some time after it writes; return whether it was."""
    new = ["realnvp", "--data", "digits", "--steps", str(STEPS)]
    for name, given in {"training": TRAINING, **OPTIONS}.items():
        new += ["--set", f"{name}={given}"]
    record = folder / "run.json"
    before = record.stat().st_mtime_ns if record.exists() else 0
    command = [sys.executable, "-m", "flowzoo", "train", "--out", str(folder), "--device", "cpu"]
    command += ["--resume"] if before else new
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # as in this process, or the bits differ
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (record.exists() and record.stat().st_mtime_ns > before):
        time.sleep(0.005)
    time.sleep(seconds)
    process.kill()
    return process.wait() == -signal.SIGKILL


def test_a_run_that_is_killed_at_random_moments_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    moments = random.Random(0)
    cut = tmp_path / "cut"
    killed = [train(cut, moments.uniform(0.0, 3.0 / KILLS)) for _ in range(KILLS)]
    assert any(killed)
    assert resume_run(cut, device="cpu").status == "finished"
    asked = {"model": "realnvp", "data": "digits", "budget": {"steps": STEPS}, "options": OPTIONS}
    start_run(tmp_path / "whole", parse_experiment({**asked, "training": TRAINING}), device="cpu")
    assert_same_weights(tmp_path / "whole", cut)
    steps = [RunFolder(tmp_path / name).log.read_text().count("\n") for name in ("whole", "cut")]
    assert steps[0] == steps[1]
    assert not [each for each in cut.iterdir() if each.name.startswith(".")]
    print(f"{sum(killed)} kills")
