"""Standard output and error: in any encoding, and standard output for results alone."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, TextIO

from flowzoo.errors import FileError
from flowzoo.files import refusal

_reserved: TextIO | None = None
"""Standard output, while everything else that is printed goes to standard error."""


def prepare() -> None:
    """Let characters that a stream's encoding lacks come out as ``?``, and make streams that are closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started the program
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for as long as it runs
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def results() -> TextIO:
    """Return where a command's results go."""
    return _reserved or sys.stdout


@contextmanager
def results_alone() -> Iterator[None]:
    """Reserve standard output for results: all other output in the block goes to standard error.

    Plugins print while they are imported, built or run, and libraries as they like; that must not end up in
    JSON that a program reads.

    Raises:
        FileError: Standard output cannot be written.
        BrokenPipeError: Nobody reads it any more.
    """
    global _reserved
    before = _reserved
    with _own_descriptor() as stream:
        _reserved = stream
        try:
            with redirect_stdout(sys.stderr):
                yield
            stream.flush()
        finally:
            _reserved = before


def abandon() -> None:
    """Drop the buffer of standard output, since nobody reads it."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


@contextmanager
def _own_descriptor() -> Iterator[TextIO]:
    """Yield a stream to standard output; meanwhile its descriptor, 1, leads to standard error.

    So output of libraries written in C and of processes that are started goes there too.
    """
    stream = sys.stdout
    if not _is_descriptor(stream, 1) or not _is_descriptor(sys.stderr, 2):
        yield stream
        return
    stream.flush()
    raw = _Descriptor(os.dup(1), "wb")
    own = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=stream.encoding, errors=stream.errors, line_buffering=raw.isatty()
    )
    os.dup2(2, 1)
    try:
        yield own
    finally:
        with suppress(OSError):
            stream.flush()
        os.dup2(raw.fileno(), 1)
        with suppress(OSError):
            own.close()
        with suppress(OSError):
            raw.close()


class _Descriptor(io.FileIO):
    """Standard output, which says so where it cannot be written."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise FileError(f"cannot write to standard output: {refusal(error)}") from error


def _is_descriptor(stream: TextIO, number: int) -> bool:
    try:
        return stream.fileno() == number
    except (OSError, ValueError):  # no file, such as a test's stream, or closed
        return False
