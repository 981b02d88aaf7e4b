"""The file of a study: what happened in it, in order, one line of JSON each, as Optuna replays it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowzoo.errors import OptionError
from flowzoo.files import append_line, write_atomically, writing
from flowzoo.shell import word


class Journal:
    """The lines of a study's file. A last line that is incomplete, as a full disk leaves it, does not count.

    It is what Optuna calls a journal backend. Optuna's own one adds to an incomplete line, and can never read
    the file again.

    Args:
        path: The file; it need not exist.
        writes: Whether new lines are added to the file. Otherwise they are only kept in memory.

    Raises:
        OptionError: The file cannot be read, or a line before the last one is damaged.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self._path = path
        self._writes = writes
        found = _content(path)
        self._logs = _parsed(path, found)
        whole = b"".join(line + b"\n" for line in found.split(b"\n")[: len(self._logs)])
        if writes and found != whole:
            write_atomically(path, whole)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Return what happened, from a number on."""
        yield from self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Note what happened.

        Raises:
            FileError: The file cannot be written.
        """
        lines = [json.dumps(each, separators=(",", ":")) for each in logs]
        if self._writes:
            append_line(self._path, "\n".join(lines))
            with writing(self._path), self._path.open("rb") as file:
                os.fsync(file.fileno())
        self._logs += (json.loads(line) for line in lines)


def damaged(path: Path, where: str, fix: str = "") -> OptionError:
    """Return the error for a study's file that cannot be replayed."""
    return OptionError(
        f"{path} is damaged{where}. Put back a copy of it{fix}, or begin again with another --out"
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise OptionError(f"cannot read {path}: {error.strerror}") from error


def _parsed(path: Path, content: bytes) -> list[dict[str, Any]]:
    lines = content.removesuffix(b"\n").split(b"\n") if content else []
    logs: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            log = json.loads(line)
        except ValueError:
            log = None
        if isinstance(log, dict) and "op_code" in log:
            logs.append(log)
        elif number < len(lines):
            keep = f"head -n {number - 1} {word(path)}"
            raise damaged(
                path, f" in line {number}", f", delete this line and all after it ({keep} shows what remains)"
            )
    return logs
