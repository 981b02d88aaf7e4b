"""``flowzoo train`` as one of several processes that torchrun or accelerate has started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flowzoo.cli.console import complain
from flowzoo.shell import word
from flowzoo.training.together.launch import Launch

if TYPE_CHECKING:
    from flowzoo.experiment.experiment import Experiment
    from flowzoo.training.together.leader import Leader
    from flowzoo.training.together.team import LostProcessError, Team

FAILED = 2
"""Exit status of a process that cannot go on."""


@contextmanager
def leading(place: Launch) -> Iterator[Leader | None]:
    """Lead the processes that were started with this one; None without others."""
    if place.count == 1:
        yield None
        return
    from flowzoo.training.stop import stoppable
    from flowzoo.training.together.leader import Leader
    from flowzoo.training.together.team import Team

    team = Team(place)
    # Where a process ends, launchers stop the others, and those have something to say first.
    with stoppable():
        team.meet()
        with Leader(team) as leader:
            yield leader


def begun_before(place: Launch, out: Path, experiment: Experiment) -> bool:
    """Whether a launcher has started the processes again, and the folder holds the run that they began.

    Another run in the folder is no reason to go on with it: it was refused at the first start.
    """
    from flowzoo.registry.loader import default_registry
    from flowzoo.registry.options import resolve
    from flowzoo.runfolder import RunFolder

    if not place.restarts or not (out / "run.json").is_file():
        return False
    begun, registry = RunFolder(out).read().experiment, default_registry()
    first, second = (
        (each.data, each.flips, each.budget, each.training, each.seed) for each in (begun, experiment)
    )
    if begun.model != experiment.model or first != second:
        return False
    model = registry.find("model", experiment.model)
    return resolve(registry, model, experiment.options) == begun.options


def follow_leader(place: Launch, device: str, workers: int, out: Path | None) -> None:
    """Compute steps with a process that leads, which says all that there is to say."""
    from flowzoo.training.stop import Interrupted, saving_first, stoppable
    from flowzoo.training.together.follower import follow
    from flowzoo.training.together.team import LostProcessError, Team

    team = Team(place)
    try:
        with stoppable(), saving_first():  # the leader hears of a signal with the next step
            team.meet()
            try:
                follow(team, device, workers)
            except LostProcessError as error:
                if not team.leader_has_left():
                    say_that_one_is_lost(team, error, out)
                raise typer.Exit(FAILED) from error
    except Interrupted as stop:
        raise typer.Exit(128 + stop.signal) from stop


def say_that_one_is_lost(team: Team, error: LostProcessError, out: Path | None) -> None:
    """Say it in one of the processes that notice it."""
    if team.is_first():
        folder = "RUN" if out is None else word(out)
        complain(
            f"error: {error}. Training up to the last checkpoint is kept. Go on with as many processes or "
            f"another number: flowzoo train --resume --out {folder}"
        )
