"""What shells complete."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowzoo.cli.completion import run_folders
from flowzoo.registry.loader import RESTRICTION

NOISY = """
import os
import sys

print("printed by a plugin")
print("and to standard error", file=sys.stderr)
os.system("echo printed by a process")
from flowzoo.api import Component, hookimpl

flowzoo_api_version = 2

@hookimpl
def flowzoo_components():
    return [
        Component("model", "noisy-model", "flowzoo_noisy:build", "Noisy."),
        Component("command", "noise", "flowzoo_noisy_command:run", "Noisy."),
    ]
"""


def complete(
    line: str, cwd: Path, shell: str = "bash", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Return what the program prints when a shell asks what the last word of a line can become."""
    words = line.split(" ")
    asked = {
        "_FLOWZOO_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
    }
    return subprocess.run(
        [sys.executable, "-m", "flowzoo"],
        capture_output=True,
        text=True,
        env={**os.environ, **asked, **environment},
        cwd=cwd,
    )


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("runs/first", "runs/second", "runs/deep/third"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").touch()
    (tmp_path / "runs/no-run").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "run.json").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flowzoo tra", ["train"]),
        ("flowzoo train gauss", ["gaussian"]),
        ("flowzoo train gaussian --data dig", ["digits"]),
        ("flowzoo train --log t", ["tensorboard"]),
        ("flowzoo show act", ["actnorm"]),
        ("flowzoo list --kind trans", ["transform"]),
        ("flowzoo bench run q", ["quick"]),
        ("flowzoo evaluate runs/f", ["runs/first"]),
        ("flowzoo no-such-command x", []),
    ],
)
def test_names_are_completed(line: str, expected: list[str], runs: Path) -> None:
    done = complete(line, runs, **{RESTRICTION: ""})
    assert (done.stdout.split(), done.stderr) == (expected, "")


def test_completing_imports_no_torch_and_prints_nothing_of_a_plugin(tmp_path: Path) -> None:
    site = tmp_path / "site"
    info = site / "flowzoo_noisy-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "flowzoo_noisy.py").write_text(NOISY)
    (site / "flowzoo_noisy_command.py").write_text('print("noise")\n\ndef run() -> None: ...\n')
    (site / "torch.py").write_text("raise SystemExit('torch was imported')\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flowzoo-noisy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flowzoo]\nnoisy = flowzoo_noisy\n")
    given = {RESTRICTION: "noisy", "PYTHONPATH": str(site)}
    for line, expected in (
        ("flowzoo train nois", ["noisy-model"]),
        ("flowzoo noi", ["noise"]),
        ("flowzoo noise --h", ["--help"]),
    ):
        done = complete(line, tmp_path, **given)
        assert (done.stdout.split(), done.stderr) == (expected, "")
    (site / "flowzoo_noisy.py").write_text("print('broken')\nraise ImportError('no')\n")
    done = complete("flowzoo train gaus", tmp_path, **given)
    assert (done.stdout.split(), done.stderr) == (["gaussian"], "")


def test_run_folders_are_completed_as_paths(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    every = ["runs/deep/third", "runs/first", "runs/second"]
    assert run_folders("") == run_folders("ru") == run_folders("runs/") == every
    assert run_folders("runs/s") == ["runs/second"]
    assert run_folders("./runs/f") == ["./runs/first"]
    assert run_folders(f"{runs}/runs/f") == [f"{runs}/runs/first"]
    assert run_folders(".hid") == [".hidden"]
    assert run_folders("nothing/here") == []
    monkeypatch.setenv("HOME", str(runs))
    assert run_folders("~/runs/f") == ["~/runs/first"]


def test_a_shell_gets_its_script(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flowzoo", "--show-completion", "bash"],
        capture_output=True,
        text=True,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )
    assert "_FLOWZOO_COMPLETE=complete_bash" in done.stdout
