"""Where commands print, and tables that look the same in all of them."""

from __future__ import annotations

import errno
import json
import os
import sys
from typing import Any, TextIO, cast

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from flowzoo.cli.streams import results

_UNLIMITED = 10_000


class _ResultsConsole(Console):
    """A console that leaves it to the program what happens when nobody reads any more."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class _Trimmed:
    """A stream that leaves out spaces at the ends of lines, with which tables are padded."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write("\n".join(line.rstrip(" ") for line in text.split("\n")))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def console() -> Console:
    """Return the console for results; in a pipe or a file its lines are as long as they have to be."""
    out = results()
    unlimited = not out.isatty() and "COLUMNS" not in os.environ
    file = out if out.isatty() else cast(TextIO, _Trimmed(out))
    return _ResultsConsole(file=file, width=_UNLIMITED if unlimited else None, highlight=False, markup=False)


def table(*headers: str) -> Table:
    """Return an empty table without lines; a cell that is too long wraps within its column."""
    made = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=any(headers)
    )
    for place, header in enumerate(headers):
        # Folded, as a word that is longer than its column would else be cut off.
        made.add_column(header, no_wrap=place == 0, overflow="fold", style="cyan" if place == 0 else "")
    return made


def print_whole(made: Table) -> None:
    """Print a table as wide as it has to be, since cells that wrap on a narrow terminal hide the columns."""
    screen = console()
    unlimited = screen.options.update(width=sys.maxsize)
    screen.width = max(screen.width, Measurement.get(screen, unlimited, made).maximum)
    screen.print(made)


def print_json(data: Any) -> None:
    """Print plain data as JSON."""
    say(json.dumps(data, indent=2))


def say(line: str) -> None:
    """Print a line of a command's results."""
    print(line, file=results())


def complain(message: str) -> None:
    """Print one line on standard error."""
    typer.echo(" ".join(message.split()), err=True)
