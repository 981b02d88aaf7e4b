"""What the shell completes: names of components, of logs, and run folders."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from itertools import islice
from pathlib import Path

from flowzoo.component import KINDS, Kind
from flowzoo.experiment.log_options import LOGS
from flowzoo.registry.loader import default_registry

VARIABLE = "_FLOWZOO_COMPLETE"
"""Environment variable by which a shell asks for completions; Typer reads it."""

_MOST_FOLDERS = 200
"""Number of run folders that are shown, at most."""

_DEPTH = 3
"""How deep below a folder runs are looked for."""

Completer = Callable[[str], list[str]]
"""Takes what is typed so far, and returns what it can become."""


def is_completing() -> bool:
    """Whether a shell asks for completions."""
    return os.environ.get(VARIABLE, "").startswith("complete")


@contextmanager
def silence() -> Iterator[None]:
    """Drop all that is printed while the block runs, since plugins may print when they are imported."""
    sys.stdout.flush()
    saved = [(number, os.dup(number)) for number in (1, 2)]
    with open(os.devnull, "w", encoding="utf-8") as nothing:
        for number, _ in saved:
            os.dup2(nothing.fileno(), number)
        try:
            with redirect_stdout(nothing), redirect_stderr(nothing):
                yield
        finally:
            for number, copy in saved:
                os.dup2(copy, number)
                os.close(copy)


def names_of(*kinds: Kind) -> Completer:
    """Return a completer of the names of components of these kinds."""

    def complete(incomplete: str) -> list[str]:
        with silence():
            registry = default_registry()
            found = dict.fromkeys(name for kind in kinds for name in registry.names(kind))
        return [name for name in found if name.startswith(incomplete)]

    return complete


def kinds(incomplete: str) -> list[str]:
    """Complete a kind of components."""
    return [kind for kind in KINDS if kind.startswith(incomplete)]


def logs(incomplete: str) -> list[str]:
    """Complete the name of a log."""
    return [name for name in LOGS if name.startswith(incomplete)]


def runs_and_models(incomplete: str) -> list[str]:
    """Complete the path of a run folder, or the name of an installed trained model."""
    from flowzoo.registry.pretrained import pretrained_models

    with silence():
        models = [each.name for each in pretrained_models()]
    return run_folders(incomplete) + [name for name in models if name.startswith(incomplete)]


def run_folders(incomplete: str) -> list[str]:
    """Complete the path of a run folder; without any, the shell completes paths as usual."""
    typed, beginning = os.path.split(incomplete)
    found: list[str] = []
    with suppress(OSError):
        for folder in sorted(Path(os.path.expanduser(typed) or ".").iterdir()):
            if folder.name.startswith(beginning) and (beginning or not folder.name.startswith(".")):
                inside = islice(_runs_in(folder, _DEPTH), _MOST_FOLDERS - len(found))
                found += [os.path.join(typed, folder.name, *each) for each in inside]
    return found


def _runs_in(folder: Path, depth: int) -> Iterator[tuple[str, ...]]:
    """Yield the paths of runs below a folder, as parts relative to it; a run holds no other."""
    with suppress(OSError):
        if (folder / "run.json").is_file():
            yield ()
        elif depth > 1 and folder.is_dir():
            for each in sorted(folder.iterdir()):
                if not each.name.startswith("."):
                    for below in _runs_in(each, depth - 1):
                        yield (each.name, *below)
