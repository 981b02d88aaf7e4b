"""Where a file cannot be written: one line says what is kept and how to go on, and nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from flowzoo.cli.app import app
from flowzoo.files import append_line
from flowzoo.registry.saving import load_model

SETTINGS = (
    *("--set", "levels=1"),
    *("--set", "last={checkerboard: 2, channel: 0, network: {hidden: 4, blocks: 0}}"),
    *("--set", "training={validations: 2, validation_images: 8, batch_size: 8, initial_images: 32}"),
)
FLOWZOO = [sys.executable, "-m", "flowzoo"]


def flowzoo(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def train(out: Path, steps: int = 20) -> Result:
    return flowzoo("train", "realnvp", "--data", "digits", "--out", out, "--steps", str(steps), *SETTINGS)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert train(folder).exit_code == 0
    return folder


def fail_at(monkeypatch: pytest.MonkeyPatch, call: int, code: int) -> Callable[[], int]:
    """Let a call of fsync fail, counted from 1, as where a disk is full; returns how many there were."""
    fsync, calls = os.fsync, 0

    def refuse(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(code, os.strerror(code))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    return lambda: calls


def test_training_that_cannot_write_goes_on_from_wherever_it_was(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load_model(run / "model").state_dict()
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
    advised = 0
    for call in range(1, 100):
        out = tmp_path / f"my run {call}"
        with monkeypatch.context() as patch:
            calls = fail_at(patch, call, codes[call % len(codes)])
            done = train(out)
        if calls() < call:
            break
        assert done.exit_code == 2, (call, done.output)
        last = done.stderr.splitlines()[-1]
        assert last.startswith("error: cannot ")
        assert os.strerror(codes[call % len(codes)]) in last
        if (out / "run.json").exists():
            advised += 1
            (words,) = (shlex.split(part) for part in last.split(": ") if part.startswith("flowzoo "))
            again = flowzoo(*words[1:])
        else:
            again = train(out)
        assert again.exit_code == 0, (call, again.output)
        found = load_model(out / "model").state_dict()
        assert all(torch.equal(found[name], expected[name]) for name in expected), call
        assert not [path for path in out.iterdir() if path.name.startswith(".")], call
    assert 5 < advised < 90


def test_a_log_that_does_not_fit_is_one_line_and_training_goes_on(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    out = tmp_path / "run"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    padding = ', "pad": "' + "x" * 40_000 + '"}'
    monkeypatch.setattr("flowzoo.training.stage_reports.LOG_EVERY", 1)
    with monkeypatch.context() as patch:
        append = "flowzoo.training.log.append_line"
        patch.setattr(append, lambda path, line: append_line(path, line[:-1] + padding))
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
        try:
            done = train(out)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert done.exit_code == 2
    assert "log.jsonl: File too large" in done.stderr
    lines = (out / "log.jsonl").read_bytes().splitlines()
    assert all(json.loads(line) for line in lines)
    assert flowzoo("train", "--resume", "--out", out).exit_code == 0
    expected, found = (load_model(each / "model").state_dict() for each in (run, out))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_figure_is_shown_before_it_is_written(
    run: Path, monkeypatch: pytest.MonkeyPatch, code: int, as_json: bool
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    done = flowzoo("evaluate", run, "--images", "5", "--no-floor", *(["--json"] if as_json else []))
    assert done.exit_code == 2
    if as_json:
        assert json.loads(done.stdout)["images"] == 5
    else:
        assert "bits/dim" in done.stdout
    (line,) = done.stderr.splitlines()
    assert os.strerror(code) in line
    assert "--output" in line
    assert not list(run.glob("evaluation-*"))


def test_the_figure_goes_where_output_says(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "figure.json"
    done = flowzoo("evaluate", run, "--images", "5", "--no-floor", "--json", "--output", output)
    assert done.exit_code == 0, done.output
    assert json.loads(output.read_text()) == json.loads(done.stdout)
    assert not list(run.glob("evaluation-*"))
    for bad, why in [(tmp_path, "is a folder"), (tmp_path / "no" / "x.json", "no folder")]:
        done = flowzoo("evaluate", run, "--output", bad)
        assert (done.exit_code, done.stdout) == (2, "")
        assert why in done.stderr


def test_a_figure_that_nobody_reads_is_kept(run: Path) -> None:
    process = subprocess.Popen(
        [*FLOWZOO, "evaluate", run, "--images", "5", "--split", "train", "--no-floor"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141
    assert json.loads((run / "evaluation-train-images5-no-floor.json").read_text())["images"] == 5
    for path in run.glob("evaluation-train*"):
        path.unlink()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_picture_that_cannot_be_written_is_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    fail_at(monkeypatch, 1, code)
    done = flowzoo("sample", run, "-n", "4", "-o", tmp_path / "x.png")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: cannot write {tmp_path / 'x.png'}: {os.strerror(code)}; ")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_a_run_is_one_line(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out, why in [
        (tmp_path / "file", "not an empty folder"),
        (tmp_path / "file" / "below", "Not a directory"),
        (tmp_path / ("x" * 300), "File name too long"),
    ]:
        done = train(out)
        assert done.exit_code == 2
        (line,) = done.stderr.splitlines()
        assert why in line
        assert "--resume" not in line
        for command in ("evaluate", "sample", "upscale", "splits", "diagnose"):
            done = flowzoo(command, out)
            assert done.exit_code == 2
            assert len(done.stderr.splitlines()) == 1


def namespaced(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script that may mount file systems, which nobody else sees."""
    return subprocess.run(
        ["unshare", "-m", "bash", "-c", script, shlex.quote(sys.executable)],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "FLOWZOO": shlex.join(FLOWZOO)},
    )


def may_mount() -> bool:
    try:
        return namespaced("mkdir -p /tmp && mount -t tmpfs none /mnt", Path.cwd()).returncode == 0
    except OSError:
        return False


mounts = pytest.mark.skipif(not may_mount(), reason="mounting a file system takes root and unshare")


@mounts
def test_a_run_on_a_read_only_file_system_is_read_and_left_alone(run: Path, tmp_path: Path) -> None:
    done = namespaced(
        f"""
        mount --bind {run} {run} && mount -o remount,ro,bind {run} || exit 9
        $FLOWZOO evaluate {run} --images 5 --no-floor --json > shown.json 2> said; echo evaluate $?
        $FLOWZOO evaluate {run} --images 5 --no-floor -o kept.json > /dev/null; echo output $?
        $FLOWZOO sample {run} -n 2 -o {run}/x.png > /dev/null 2>> said; echo sample inside $?
        $FLOWZOO train --resume --out {run} --steps 30 2>> said; echo resume $?
        """,
        tmp_path,
    )
    assert done.stdout.splitlines() == [
        *("evaluate 2", "output 0", "sample inside 2", "resume 2"),
    ]
    assert done.stderr == ""
    assert json.loads((tmp_path / "shown.json").read_text())["images"] == 5
    assert json.loads((tmp_path / "kept.json").read_text())["images"] == 5
    said = (tmp_path / "said").read_text().splitlines()
    assert len(said) == 3
    assert all("Read-only file system" in line for line in said)
    assert not [path for path in run.iterdir() if path.name.startswith(".")]


@mounts
def test_a_disk_that_fills_up_is_one_line_and_training_goes_on(tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    settings = shlex.join(SETTINGS[:-1])
    done = namespaced(
        f"""
        mount -t tmpfs -o size=1m tmpfs tiny || exit 9
        for validations in 1 40; do
            rm -rf tiny/*
            $FLOWZOO train realnvp --data digits --out tiny/run --steps 300 {settings} \\
                "training={{validations: $validations, validation_images: 8, batch_size: 8}}" \\
                > out 2>&1 & P=$!
            while kill -0 $P 2> /dev/null && [ ! -e tiny/run/checkpoint.safetensors ]; do sleep 0.05; done
            dd if=/dev/zero of=tiny/fill bs=1k 2> /dev/null
            wait $P; echo status $?
            grep -c Traceback out; tail -n 1 out
            rm tiny/fill
        done
        $FLOWZOO train --resume --out tiny/run 2>&1 | grep -c '^trained'
        """,
        tmp_path,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 7, done
    assert lines[6] == "1"
    for status, tracebacks, said in (lines[:3], lines[3:6]):
        assert (status, tracebacks) == ("status 2", "0")
        assert said.startswith("error: cannot ")
        assert "No space left on device; free some space" in said
        assert "flowzoo train --resume --out tiny/run" in said
