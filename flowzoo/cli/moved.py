"""``--set data.root=...`` of commands that work on a run: where its files are now."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flowzoo.cli.settings import Settings, read_settings
from flowzoo.errors import OptionError

MovedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="data.KEY=VALUE",
        help="Where the run's images are now, if they have moved: --set data.root=FOLDER.",
        show_default=False,
    ),
]


def read_moved(assignments: list[str] | None) -> dict[str, Any]:
    """Return the options of the data set among assignments.

    Raises:
        OptionError: An assignment is none, or sets something else than the data set's options.
    """
    settings = read_settings(None, assignments or [], elsewhere={})
    if settings != Settings({}, {}, settings.data, None):
        raise OptionError(
            "--set takes only data.KEY=VALUE here, to say where the run's images are now, "
            "as in --set data.root=FOLDER; all else stays as the run was started"
        )
    return settings.data
