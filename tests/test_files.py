from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowzoo.errors import FileError, OptionError
from flowzoo.files import (
    append_line,
    check_output,
    make_folder,
    whole_folder,
    write_atomically,
    write_json,
    write_text,
)

LIMIT = 4096
"""Bytes that a file may have while they are short."""


@pytest.fixture
def short_of_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no file grow beyond some bytes, as a full disk does; needs no rights."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    with pytest.raises(TypeError):
        write_atomically(path, "text")  # type: ignore[arg-type]
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_what_does_not_fit_leaves_what_was_there(tmp_path: Path, short_of_room: None) -> None:
    path = tmp_path / "data"
    write_atomically(path, b"before")
    with pytest.raises(FileError, match="data: File too large; raise the limit") as caught:
        write_atomically(path, bytes(2 * LIMIT))
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_line_that_does_not_fit_leaves_the_lines_before_it(tmp_path: Path, short_of_room: None) -> None:
    path = tmp_path / "log"
    append_line(path, "first")
    with pytest.raises(FileError, match="log: File too large"):
        append_line(path, "x" * 2 * LIMIT)
    assert path.read_text() == "first\n"
    append_line(path, "second")
    assert path.read_text() == "first\nsecond\n"


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EROFS, "make it writable"),
        (errno.EACCES, "make it writable"),
        (errno.EIO, "choose another place"),
    ],
)
@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
def test_whatever_the_system_refuses_is_one_line_with_a_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, fix: str, step: str
) -> None:
    path = tmp_path / "data"
    write_atomically(path, b"before")

    def refuse(*arguments: object) -> None:
        raise OSError(code, os.strerror(code), "some/temporary")

    monkeypatch.setattr(os, step, refuse)
    with pytest.raises(FileError, match=f"cannot write {path}: {os.strerror(code)}; {fix}") as caught:
        write_atomically(path, b"after")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path, why in [
        (tmp_path / "folder", "Is a directory; it is a folder; name a file"),
        (tmp_path / "file" / "x", "Not a directory; part of the path is a file"),
        (tmp_path / "nowhere" / "x", "No such file or directory; make the folder first"),
        (tmp_path / ("x" * 300), "File name too long; choose a shorter name"),
    ]:
        with pytest.raises(FileError, match=why):
            write_text(path, "text")
    with pytest.raises(FileError, match=r"cannot make the folder .*Not a directory"):
        make_folder(tmp_path / "file" / "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_places_are_refused_before_the_work(tmp_path: Path) -> None:
    check_output(tmp_path / "x.json")
    for path, error, why in [
        (tmp_path, OptionError, "JSON file"),
        (tmp_path / "nowhere" / "x", OptionError, "there is no folder"),
        (tmp_path / ("x" * 300), FileError, "choose a shorter name"),
    ]:
        with pytest.raises(error, match=why):
            check_output(path, "JSON file")
    assert not list(tmp_path.iterdir())


def test_text_is_utf8_whatever_it_holds(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "é ↓ \udcff")
    assert (tmp_path / "x").read_bytes() == "é ↓ ?".encode()


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "new"
    with pytest.raises(FileNotFoundError), whole_folder(target) as draft:
        (draft / "a").write_text((draft / "nowhere").read_text())
    assert not list(tmp_path.iterdir())
    target.mkdir()
    (tmp_path / "link").symlink_to(target)
    with whole_folder(tmp_path / "link") as draft:
        (draft / "a").write_text("a")
        assert not list(target.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "new"]
    assert (tmp_path / "link" / "a").read_text() == "a"


@pytest.mark.parametrize("name", ["full", "file", "nowhere/new"])
def test_a_folder_that_cannot_be_new_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OptionError, match=name.split("/")[0]), whole_folder(tmp_path / name):
        pytest.fail("the work began")
    assert (tmp_path / "full" / "mine").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]
