"""The exit status of ``bench run``, and what it says where its folder cannot be written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flowzoo.bench.runner import Runner
from flowzoo.cli.app import app
from tests.bench.report.made_up import failed, result

SUITE = """
summary: For the tests
models: [{name: gaussian}]
data: [digits]
budget: {steps: 1}
metrics: [parameters]
"""


def flowzoo(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SUITE)
    return path


@pytest.mark.parametrize(
    ("found", "options", "status"),
    [
        ([result("a", 2.0), result("b", 2.0)], [], 0),
        ([result("a", 2.0), failed("b")], [], 1),
        ([failed("a"), failed("b")], [], 1),
        ([result("a", 2.0), failed("b")], ["--allow-failures"], 0),
        ([failed("a"), failed("b")], ["--allow-failures"], 0),
        ([result("a", 2.0)], ["--allow-failures"], 0),
    ],
)
def test_the_exit_status_tells_of_cells_that_failed(
    suite: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    found: list[object],
    options: list[str],
    status: int,
) -> None:
    monkeypatch.setattr(Runner, "run", lambda self, cells: found)
    out = tmp_path / "my results"
    done = flowzoo("bench", "run", suite, "--out", out, *options)
    assert done.exit_code == status, done.output
    assert f"next: flowzoo bench report '{out}' --html '{out}/report.html'" in done.stdout


def test_an_interrupted_suite_ends_with_130_and_goes_on(suite: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flowzoo", "bench", "run", str(suite), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.poll() is None and not list(tmp_path.glob("out/*/.work/planning.log")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=120)
    assert (process.returncode, out, said) == (130, b"", b"interrupted\n")
    done = flowzoo("bench", "run", suite, "--out", tmp_path / "out", "--device", "cpu")
    assert done.exit_code == 0, done.output


def test_a_folder_that_cannot_be_written_is_one_line(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    done = flowzoo("bench", "run", suite, "--out", tmp_path / "file")
    assert done.exit_code == 2
    assert "Not a directory" in done.stderr
    assert len(done.stderr.splitlines()) == 1

    def full(*arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Runner, "_run", full)
    done = flowzoo("bench", "run", suite, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "No space left on device; free some space" in done.stderr
    assert "Finished cells are kept" in done.stderr
