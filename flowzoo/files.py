"""Writes files: each is complete or not there, and an error is one line."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from flowzoo.errors import FileError, OptionError

_NO_ROOM = "free some space, or choose another place"
_NO_RIGHT = "make it writable, or choose another place"

_FIXES = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: "raise the limit on the size of files, or choose another place",
    errno.EROFS: _NO_RIGHT,
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EISDIR: "it is a folder; name a file",
    errno.ENOTDIR: "part of the path is a file, not a folder; choose another place",
    errno.ENOENT: "make the folder first, or choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
}
"""What a user can do if the system refuses."""


def refusal(error: OSError) -> str:
    """Return why the system refused a file, and what to do about it.

    >>> refusal(OSError(errno.ENOSPC, "No space left on device"))
    'No space left on device; free some space, or choose another place'
    """
    fix = _FIXES.get(error.errno or 0, "choose another place")
    return f"{error.strerror or error}; {fix}"


@contextmanager
def writing(path: Path, what: str = "cannot write") -> Iterator[None]:
    """Turn what the system refuses within the block into one line about ``path``.

    Args:
        path: The file or folder that is written.
        what: The beginning of the line.

    Raises:
        FileError: The system refused.
    """
    try:
        yield
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{what} {path}: {refusal(error)}") from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to a temporary sibling and rename it to ``path``.

    Raises:
        FileError: It cannot be written there.
    """
    with writing(path):
        _write(path, content)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, atomically, wherever the program runs.

    Raises:
        FileError: It cannot be written there.
    """
    # A name of the file system that is not text must not make the whole file fail.
    write_atomically(path, text.encode("utf-8", errors="replace"))


def write_json(path: Path, data: Any) -> None:
    """Write ``data`` as indented JSON, atomically; NaN and infinities are refused.

    Raises:
        FileError: It cannot be written there.
    """
    text = json.dumps(data, indent=2, allow_nan=False) + "\n"
    write_atomically(path, text.encode())


def append_line(path: Path, line: str) -> None:
    """Add a line of UTF-8 to a file; where it does not fit, the file stays as it was.

    Raises:
        FileError: It cannot be written.
    """
    content = line.encode() + b"\n"
    # Unbuffered: a buffer would be written once more on closing, after the file has been cut back.
    with writing(path), path.open("ab", buffering=0) as file:
        whole = file.tell()
        try:
            while content:
                content = content[file.write(content) :]
        except OSError:
            with suppress(OSError):
                file.truncate(whole)
            raise


def as_path(given: Any) -> Path:
    """Return a path that is given as text or as a path.

    Raises:
        FileError: It is something else.
    """
    if not isinstance(given, str | os.PathLike):
        raise FileError(f"a folder is given as text or as a Path, got {given!r:.60}")
    return Path(given)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        FileError: It cannot be made.
    """
    if "\0" in str(path):
        raise FileError(f"cannot make the folder {str(path)!r}: its name holds a null character. Remove it")
    with writing(path, "cannot make the folder"):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Write a folder whole or not at all. The block fills a draft, which takes its place at the end.

    Args:
        path: The folder, which is new or empty.

    Raises:
        OptionError: As :func:`check_output_folder`.
        FileError: The system does not let it be written.
    """
    path = path.resolve()
    check_output_folder(path)
    with writing(path):
        draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".draft"))
    try:
        yield draft
        with writing(path):
            draft.chmod(0o777 & ~umask())
            if path.is_dir():
                path.rmdir()
            draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_output_folder(path: Path) -> None:
    """Refuse a folder that cannot be written whole, before the work that fills it.

    Raises:
        OptionError: It holds files already, it is a file, or the folder that it lies in does not exist.
        FileError: The system does not let files be written there.
    """
    path = path.resolve()
    with writing(path):
        if path.is_dir():
            if any(path.iterdir()):
                raise OptionError(f"the folder {path} is not empty. Choose a new folder, or empty this one")
        elif path.exists():
            raise OptionError(f"{path} is a file. Give the name of a folder")
    check_output(path.with_name(f".{path.name}.draft"), "folder")  # what whole_folder makes beside it


def check_output(path: Path, kind: str = "file") -> None:
    """Refuse a path to which no file can be written, before the work whose result it is to hold.

    Args:
        path: The file.
        kind: The kind of file, for the message.

    Raises:
        OptionError: Its folder does not exist, or it is a folder itself.
        FileError: The system does not let files be written there.
    """
    with writing(path):
        if path.is_dir():
            raise OptionError(f"{path} is a folder. Give the name of a {kind}")
        if not path.parent.is_dir():
            raise OptionError(f"there is no folder {path.parent}. Make it first, or choose another place")
        # Only the system can tell, since file systems may be read-only and permissions may be complex.
        handle, trial = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        os.close(handle)
        Path(trial).unlink(missing_ok=True)


def umask() -> int:
    """Return the process's mask of file permissions."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
