"""The option ``--root`` of commands that load the data sets of suites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from flowzoo.errors import OptionError

RootsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--root",
        metavar="DATA=FOLDER",
        help="Folder of a data set's files, as in cifar10=/data/cifar10. Can be repeated.",
        show_default=False,
    ),
]


def read_roots(assignments: Sequence[str] | None) -> dict[str, str]:
    """Return the folders that ``DATA=FOLDER`` gives, by data set.

    Raises:
        OptionError: One has no data set, no ``=`` or no folder.
    """
    roots: dict[str, str] = {}
    for assignment in assignments or ():
        name, separator, folder = assignment.partition("=")
        if not (name and separator and folder):
            raise OptionError(
                f"--root needs DATA=FOLDER, as in --root cifar10=/data/cifar10. Got '{assignment}'."
            )
        roots[name] = folder
    return roots
