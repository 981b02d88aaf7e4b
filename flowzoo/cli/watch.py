"""``flowzoo watch``: the curves of runs while they train."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.live import Live
from rich.text import Text

from flowzoo.cli.completion import run_folders
from flowzoo.cli.console import console

if TYPE_CHECKING:
    from flowzoo.cli.run_state import RunState

_EVERY = 1.0
"""Seconds between two looks at the runs, at least."""

_SHARE = 0.1
"""Largest part of the time that is spent with looking, when logs are long."""


def watch(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="A run folder. Several compare their validation curves.",
            autocompletion=run_folders,
        ),
    ],
    once: Annotated[
        bool, typer.Option("--once", help="Print the present state and stop. In a pipe, this is the default.")
    ] = False,
    across: Annotated[
        Literal["steps", "seconds"] | None,
        typer.Option(
            "--across",
            help="What the curves are drawn against.",
            show_default="steps; seconds if a budget is in seconds",
        ),
    ] = None,
) -> None:
    """Show the curves of runs while they train: bits/dim of training and validation, speed, and time left.

    It reads the logs in the run folders and never writes to them, so any number of terminals may watch a run.
    It ends when training ends, and Ctrl-C ends it earlier; the training goes on.
    """
    from flowzoo.cli.run_state import ENDED, read_state

    screen = console()
    live = screen.is_terminal and not once and os.environ.get("TERM") != "dumb"

    def draw(states: list[RunState]) -> Text:
        from flowzoo.cli.run_picture import picture

        height = screen.height - 1 if live else None
        return Text("\n".join(picture(states, across, screen.width, height)))

    states = [read_state(run) for run in runs]
    if not live:
        for line in draw(states).plain.split("\n"):
            screen.print(line, soft_wrap=True)
        return
    try:
        with Live(draw(states), console=screen, auto_refresh=False, redirect_stdout=False) as shown:
            while not all(state.status in ENDED for state in states):
                began = time.monotonic()
                states = [read_state(run) for run in runs]
                shown.update(draw(states), refresh=True)
                time.sleep(max(_EVERY, (time.monotonic() - began) * (1.0 / _SHARE - 1.0)))
    except KeyboardInterrupt:
        return
