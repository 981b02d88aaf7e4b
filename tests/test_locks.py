from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flowzoo.errors import FileError, InUseError
from flowzoo.locks import hold, is_held

HOLDER = """
import sys
from pathlib import Path
from flowzoo.locks import hold, is_held
with hold(Path(sys.argv[1]), "busy"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_holder_is_refused_at_once_and_let_in_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with hold(path, "busy"), pytest.raises(InUseError, match="is taken"), hold(path, "the folder is taken"):
        pass
    with hold(path, "busy"):
        pass


def test_another_process_is_kept_out_until_it_ends_even_by_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(InUseError), hold(path, "busy"):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert path.exists()  # what is left behind locks nobody out
    with hold(path, "busy"):
        pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def unsupported(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with hold(tmp_path / "lock", "busy"):
        pass
    with hold(tmp_path / "lock", "busy"):
        pass


def test_a_place_where_no_lock_can_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"cannot write .*file"), hold(tmp_path / "file" / "lock", "busy"):
        pass


def test_errors_within_come_out_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="mine") as caught, hold(tmp_path / "lock", "busy"):
        raise OSError("mine")
    assert not isinstance(caught.value, FileError)
    with hold(tmp_path / "lock", "busy"):
        pass


def test_it_can_be_told_whether_a_lock_is_held_without_taking_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    with hold(path, "busy"):
        assert is_held(path)
        assert is_held(path)  # looking has not released it
    path.touch()  # as a killed process leaves it
    assert not is_held(path)
