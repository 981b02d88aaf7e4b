"""What reaches standard output and error: in any encoding, for any reader, whatever plugins print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from flowzoo.cli.app import app
from flowzoo.cli.command import Command
from flowzoo.registry.loader import RESTRICTION
from tests.bench.report.made_up import result, write

PRINTS = """
    import os, subprocess, sys, warnings
    from flowzoo.api import Component, hookimpl

    flowzoo_api_version = 2
    print("LOUD imported")
    os.write(1, b"LOUD below Python\\n")
    subprocess.run(["echo", "LOUD by a child"])

    @hookimpl
    def flowzoo_components():
        print("LOUD listed")
        sys.stdout.write("LOUD written\\n")
        sys.__stdout__.write("LOUD around\\n")
        return [Component("model", "loud", "flowzoo_loud:build", "Prints.")]

    def build(shape, builder, *, levels: int = 1):
        print("LOUD built")
        warnings.warn("mind this")
        from flowzoo.api import EVALUATION, IdentityBijector, IdentityTransform, KeepNothing, Level

        class Loud(IdentityBijector):
            def forward(self, x, context=None, call=EVALUATION):
                print("LOUD computed")
                return super().forward(x, context, call)

        return [Level(IdentityTransform(), IdentityBijector(), KeepNothing(), Loud())]
"""
WORDS = ("imported", "below Python", "by a child", "listed", "written", "around")


def flowzoo(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "flowzoo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, env={**os.environ, **environment})


@pytest.fixture
def loud(tmp_path: Path, install_plugin: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a plugin that prints wherever it can, for the processes that a test starts."""
    install_plugin("flowzoo-loud", PRINTS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site-packages"))


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_report_ends_without_a_traceback_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    write(tmp_path / "results", result("glow-é-☃", 2.5), result("gaussian", 2.45))
    done = flowzoo("bench", "report", tmp_path / "results", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode(encoding)
    assert "glow" in shown
    assert ("☃" in shown) == (encoding == "utf-8")


def test_files_of_a_report_are_utf8_whatever_the_terminal(tmp_path: Path) -> None:
    write(tmp_path / "results", result("glow-é-☃", 2.5))
    files = {kind: tmp_path / f"report.{kind}" for kind in ("html", "markdown", "csv", "latex")}
    options = [part for kind, path in files.items() for part in (f"--{kind}", str(path))]
    done = flowzoo(
        "bench", "report", tmp_path / "results", *options, PYTHONUTF8="0", LC_ALL="C", PYTHONCOERCECLOCALE="0"
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert all("é" in path.read_text(encoding="utf-8") for path in files.values())


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        {"NO_COLOR": "1"},
        {"TERM": "dumb", "FORCE_COLOR": "1"},
        {"COLUMNS": "40"},
    ],
)
@pytest.mark.parametrize("arguments", [["list"], ["show", "häar"]])
def test_commands_end_in_any_terminal(arguments: list[str], environment: dict[str, str]) -> None:
    done = flowzoo(*arguments, **environment)
    assert done.returncode == (2 if "häar" in arguments else 0)
    assert b"Traceback" not in done.stderr
    if "häar" in arguments:
        assert done.stdout == b""
        assert done.stderr.startswith(b"error: no component 'h")
        assert done.stderr.count(b"\n") == 1


def test_a_reader_that_has_seen_enough_ends_the_program_quietly() -> None:
    for arguments in (["list", "--json"], ["--help"]):
        process = subprocess.Popen(
            [sys.executable, "-m", "flowzoo", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait() != 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["--version"]])
def test_output_that_does_not_fit_is_one_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "flowzoo", *arguments], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: cannot write to standard output: No space left on device")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_stream_that_is_closed_ends_nothing(closed: str) -> None:
    redirection = {"stdout": ">&-", "stderr": "2>&-"}[closed]
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m flowzoo list haar {redirection}"], capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (b"haar" in done.stdout) == (closed == "stderr")


def test_plugins_that_print_do_not_spoil_json(loud: None) -> None:
    for arguments in (["list", "--json"], ["plugins", "--json"]):
        done = flowzoo(*arguments)
        assert done.returncode == 0
        json.loads(done.stdout)
        assert all(f"LOUD {word}".encode() in done.stderr for word in WORDS)
    built = flowzoo("show", "loud", "--json", "--image-shape", "1x4x4")
    assert json.loads(built.stdout)["levels"]
    assert b"built" in built.stderr
    assert b"mind this" in built.stderr
    shown = flowzoo("list")
    assert b"loud" in shown.stdout
    assert b"LOUD" not in shown.stdout


def test_what_a_model_prints_while_it_computes_does_not_spoil_json(loud: None, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained = flowzoo("train", "loud", "--data", "digits", "--out", run, "--steps", "1")
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout.decode().splitlines()[0].startswith("trained loud on digits")
    done = flowzoo("evaluate", run, "--images", "3", "--no-floor", "--json")
    assert json.loads(done.stdout)["model"] == "loud"
    assert b"computed" in done.stderr


def test_within_one_process_too(install_plugin: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    install_plugin(
        "flowzoo-loud",
        PRINTS.replace('os.write(1, b"LOUD below Python\\n")', "").replace("subprocess.run", "len"),
    )
    monkeypatch.setenv(RESTRICTION, "loud")
    before = sys.stdout
    done = CliRunner().invoke(app, ["list", "loud", "--json"])
    assert [each["name"] for each in json.loads(done.stdout)] == ["loud"]
    assert "imported" in done.stderr
    assert sys.stdout is before


def commands(group: Any) -> list[Any]:
    found = []
    for each in group.commands.values():
        found += commands(each) if hasattr(each, "commands") else [each]
    return found


def test_every_command_keeps_its_output_for_its_results() -> None:
    found = commands(get_command(app))
    assert len(found) > 12
    assert all(isinstance(each, Command) for each in found)
    sources = Path(str(sys.modules["flowzoo.cli.app"].__file__)).parent
    direct = [path.name for path in sources.glob("*.py") if "typer.echo(" in path.read_text(encoding="utf-8")]
    assert sorted(direct) == ["app.py", "console.py"], "print results with flowzoo.cli.console.say"
