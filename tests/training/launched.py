"""Starts several processes together, as torchrun does, but from one that has imported torch already."""

from __future__ import annotations

import math
import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors.torch import save_file
from torch import Tensor

from flowzoo.cli import app
from flowzoo.errors import DataError, NumericalError
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.registry.models import create_model
from flowzoo.training.stage import plan_stages
from flowzoo.training.step import Taken, TrainingStep
from flowzoo.training.together import follower
from flowzoo.training.together.launch import launch
from flowzoo.training.together.team import Team
from flowzoo.warm_start import WarmStart

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["flowzoo.cli.train", "tests.training.launched_imports"])

SPOILED = range(20, 26)
"""Steps whose loss is not finite, enough of them to go back once."""

PATIENCE = 120.0
"""Seconds that processes have to end by themselves."""


def gradient(model: str, options: dict[str, Any], folder: Path) -> None:
    """Write the gradient of a step of 16 images that all processes compute."""
    team = Team(launch())
    if not team.is_alone:
        team.meet()
    images = torch.randint(0, 17, (16, 1, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    flow = create_model(model, (1, 8, 8), seed=0, bins=17, **options)
    flow.initialise([images / 17])
    chosen = parse_training_options({"batch_size": 4, "accumulate": 4, "clip": 1e9})
    stage = plan_stages(flow, chosen)[0]
    step = TrainingStep(flow, stage, chosen, torch.Generator().manual_seed(0), WarmStart(flow), team=team)
    # Twice, since solvers begin with what they have kept; the weights hardly change.
    taken = [step.take(images[team.share_of(16)], 1e-9, number=number) for number in range(2)][-1]
    found = {name: each.grad for name, each in flow.named_parameters() if each.grad is not None}
    figures = torch.tensor([taken.loss, taken.gradient_norm, sum(taken.ledger.counts.values())])
    save_file({**found, "figures": figures}, folder / f"{team.count}-{team.rank}.safetensors")
    if not team.is_alone:
        team.close()


def leaving() -> None:
    """Send something, leave, and print the threads that are left."""
    team = Team(launch())
    team.meet()
    team.sum(torch.ones(3))
    if team.rank:
        team.hear(1)
        team.close()
    else:
        team.leave(0.0)
    print(*((each / "comm").read_text().strip() for each in Path("/proc/self/task").iterdir()))


def flowzoo(*arguments: str) -> None:
    """Be the command line."""
    sys.argv = ["flowzoo", *arguments]
    app.main()


def restarted(*arguments: str) -> None:
    """Be the command line that torchrun starts again, after a process ended."""
    os.environ["TORCHELASTIC_RESTART_COUNT"] = "1"
    flowzoo(*arguments)


def spoiled(*arguments: str) -> None:
    """Be the command line, where the last batch of some steps gives a loss that is not finite."""
    place = launch()
    losses = TrainingStep._add_gradient

    def spoil(self: TrainingStep, *given: Any) -> Tensor:
        loss = losses(self, *given)
        if place.rank < place.count - 1 or self._noise._step not in SPOILED:
            return loss
        if self._noise._step == SPOILED[0]:
            raise NumericalError("the solver gave up")
        return loss * math.nan

    TrainingStep._add_gradient = spoil  # type: ignore[method-assign]
    flowzoo(*arguments)


def without_data(*arguments: str) -> None:
    """Be the command line, on machines of which only the leader's has the images."""

    def load(*given: object) -> NoReturn:
        raise DataError("there are no images here")

    follower.load_run_data = load  # type: ignore[assignment]
    flowzoo(*arguments)


def drifting(*arguments: str) -> None:
    """Be the command line, where one process computes something else."""
    take = TrainingStep.take

    def drift(self: TrainingStep, *given: Any, **named: Any) -> Taken:
        taken = take(self, *given, **named)
        if launch().follows:
            self._parameters[0].data *= 1.0 + 1e-6
        return taken

    TrainingStep.take = drift  # type: ignore[method-assign]
    flowzoo(*arguments)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def together(
    count: int, printed: Path, work: Callable[..., object], *given: Any
) -> Iterator[list[ForkServerProcess]]:
    """Let so many processes do the same work; what all print goes into one file."""
    port = free_port()
    processes = [
        CONTEXT.Process(target=_be, args=(rank, count, port, printed, work, given)) for rank in range(count)
    ]
    try:
        for process in processes:
            process.start()
        yield processes
    finally:
        for process in processes:
            process.join(PATIENCE)
            process.kill()


def run(
    count: int, printed: Path, *arguments: str, work: Callable[..., object] = flowzoo
) -> tuple[list[int | None], list[str]]:
    """Run a command in so many processes; return their exit codes, and the lines that they print."""
    with together(count, printed, work, *arguments) as processes:
        pass
    return [process.exitcode for process in processes], printed.read_text().splitlines()


def _be(
    rank: int, count: int, port: int, printed: Path, work: Callable[..., object], given: tuple[Any, ...]
) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    file = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    work(*given)
