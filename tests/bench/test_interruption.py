"""Killing the runner at random moments costs nothing but time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from flowzoo.bench.store import read_results

KILLS = int(os.environ.get("FLOWZOO_TEST_KILLS", "2"))
"""How often the runner is killed; `FLOWZOO_TEST_KILLS=10` takes minutes."""

SUITE = """
summary: For the tests
models:
  - gaussian
  - {name: glow, options: {levels: 1, last: {steps: 2, network: {hidden: 4}}}}
data: [digits]
budget: {steps: 30}
training: {batch_size: 16, validations: 3, validation_images: 16}
metrics: [parameters, {name: bits-per-dim, images: 10}]
samples: 2
threads: 1
"""

# Checkpoints are a minute apart at most, and at every validation; here that is every ten steps.


def start(suite: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "flowzoo",
        "bench",
        "run",
        str(suite),
        "--out",
        str(out),
        "--device",
        "cpu",
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(suite: Path, out: Path) -> float:
    """Run the suite to its end, and return how long that took."""
    began = time.monotonic()
    process = start(suite, out)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said.decode()
    return time.monotonic() - began


def figures(out: Path) -> dict[str, Any]:
    """Return all that must not depend on interruptions."""
    found = read_results(out)
    assert not found.skipped
    return {
        result.label: (
            result.key,
            result.status,
            result.spent.steps,
            {name: (each.value, each.error) for name, each in result.metrics.items() if each.repeats},
            (out / result.suite / result.samples).read_bytes(),
        )
        for result in found.results
    }


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed by SIGKILL")
def test_kills_lose_and_tear_nothing(tmp_path: Path) -> None:
    suite = tmp_path / "killed.yaml"
    suite.write_text(SUITE)
    seconds = finish(suite, tmp_path / "undisturbed")
    chance = random.Random(0)
    out = tmp_path / "disturbed"
    for _ in range(KILLS):
        process = start(suite, out)
        time.sleep(chance.uniform(0.1, 0.8) * seconds)
        process.kill()
        process.communicate()
        for path in out.rglob("*.json"):
            if ".work" not in path.parts:
                assert not read_results(path).skipped

    finish(suite, out)

    assert figures(out) == figures(tmp_path / "undisturbed")
    assert len(list((out / "killed").glob("*.json"))) == 2
    left = {path.name for path in (out / "killed/.work").iterdir()}
    assert left <= {"lock", "planning.log"}
