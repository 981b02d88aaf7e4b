"""Words of a command line that can be copied from a message and run."""

from __future__ import annotations

import os
import shlex


def word(path: str | os.PathLike[str]) -> str:
    """Return a path as a shell takes it: quoted where it must be, and never mistaken for an option.

    >>> print(word("runs/first"), word("my runs"), word("-x"))
    runs/first 'my runs' ./-x
    """
    text = os.fspath(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)
