"""What continuous integration does: a test that could have run is not skipped, and no failure is lost."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

TESTS = """
    import pytest

    def test_runs(): pass

    @pytest.mark.skipif(True, reason="needs a browser")
    def test_marked(): pass

    def test_inside(): pytest.skip("needs files")

    @pytest.fixture
    def absent(): pytest.skip("needs a fixture")

    def test_by_its_fixture(absent): pass

    @pytest.mark.parametrize("nothing", [])
    def test_of_nothing(nothing): pass

    @pytest.mark.xfail(reason="known", strict=True)
    def test_expected_to_fail(): assert False

    @pytest.mark.parametrize("name", ["dataset-images-describes_itself"])
    def test_conforms(name): pytest.skip("needs files")
"""
WHOLE_FILE = "import pytest\npytest.importorskip('no_such_module')\n"


def run_tests(folder: Path, *options: str) -> tuple[int, str]:
    """Run the made-up tests with the project's ``conftest.py`` and return the exit code and the output."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_made_up.py").write_text("\n".join(line[4:] for line in TESTS.splitlines()))
    (folder / "test_whole_file.py").write_text(WHOLE_FILE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", *options, str(folder)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_skip_is_a_failure_unless_it_is_allowed(tmp_path: Path) -> None:
    code, output = run_tests(tmp_path, "--no-skips", "-rfEs", "--continue-on-collection-errors")
    assert code == 1
    # pytest calls it an error where a test is skipped before it has begun.
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed, 4 errors" in output
    for reason in ("needs files", "needs a browser", "needs a fixture", "empty parameter set", "could not"):
        assert any("--no-skips" in line and reason in line for line in output.splitlines()), reason


def test_users_may_skip(tmp_path: Path) -> None:
    code, output = run_tests(tmp_path)
    assert code == 0
    assert "1 passed, 6 skipped, 1 xfailed" in output


class Machine:
    """A folder of programs in place of those that ``.ci/run`` calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.program("dpkg", f'test -e "{folder}/installed"')
        self.program("sleep", "true")
        (folder / "dirname").symlink_to("/usr/bin/dirname")

    def program(self, name: str, body: str) -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.calls}"\n{body}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(self) -> tuple[int, str, list[str]]:
        done = subprocess.run(
            ["/bin/sh", str(ROOT / ".ci" / "run")],
            env={"PATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        calls = [call for call in self.calls.read_text().splitlines() if not call.startswith("dpkg")]
        return done.returncode, done.stdout + done.stderr, calls


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.program("id", "echo 0")
    made.program("make", 'echo "make $*"; test "$1" = test && echo "7 passed in 1s"; exit 0')
    made.program("apt-get", f'case "$*" in *install*) : >"{tmp_path}/installed";; esac')
    return made


def test_what_the_tests_need_is_installed_and_no_skip_allowed(machine: Machine) -> None:
    code, output, calls = machine.run()
    assert code == 0
    assert output.splitlines()[-1] == "7 passed in 1s"
    install = next(call for call in calls if call.startswith("apt-get") and " install " in call)
    assert install.endswith("chromium dataset-fashion-mnist g++ git lomiri-wallpapers-16.04")
    assert calls[-3:] == ["make check", "make docs", "make test TESTFLAGS=-rs --no-skips"]


def test_nothing_is_installed_twice(machine: Machine) -> None:
    (machine.folder / "installed").touch()
    _, _, calls = machine.run()
    assert calls == ["make check", "make docs", "make test TESTFLAGS=-rs --no-skips"]


def test_a_server_that_fails_twice_is_asked_again(machine: Machine) -> None:
    once, twice = machine.folder / "once", machine.folder / "twice"
    machine.program(
        "apt-get",
        f'test -e "{once}" || {{ : >"{once}"; exit 100; }}\n'
        f'test -e "{twice}" || {{ : >"{twice}"; exit 100; }}\n'
        f'case "$*" in *install*) : >"{machine.folder}/installed";; esac',
    )
    code, _, calls = machine.run()
    assert code == 0
    assert calls[-1] == "make test TESTFLAGS=-rs --no-skips"


@pytest.mark.parametrize("reason", ["no root", "no apt-get", "no server"])
def test_where_nothing_can_be_installed_it_is_said_and_tests_may_be_skipped(
    machine: Machine, reason: str
) -> None:
    if reason == "no root":
        machine.program("id", "echo 1000")
    elif reason == "no apt-get":
        (machine.folder / "apt-get").unlink()
    else:
        machine.program("apt-get", "exit 100")
    code, output, calls = machine.run()
    assert code == 0
    assert "cannot install the Debian packages chromium dataset-fashion-mnist" in output
    assert calls[-1].rstrip() == "make test TESTFLAGS=-rs"


@pytest.mark.parametrize("target", ["check", "docs", "test"])
def test_one_failure_fails_the_whole_and_the_tests_run_in_any_case(machine: Machine, target: str) -> None:
    machine.program("make", f'test "$1" = test && echo "7 passed in 1s"; test "$1" != {target}')
    code, output, _ = machine.run()
    assert code == 1
    assert output.splitlines()[-1] == "7 passed in 1s"
