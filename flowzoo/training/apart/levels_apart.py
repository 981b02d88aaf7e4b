"""Trains the levels of a run at the same time, each in a process of its own."""

from __future__ import annotations

import logging
import os
import queue
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch

from flowzoo.errors import FileError, FlowzooError, NumericalError, OptionError
from flowzoo.program_process import Inbox, Message, ProgramProcess
from flowzoo.runfolder import RunFolder
from flowzoo.shell import word
from flowzoo.training.apart.folders import LevelFolders
from flowzoo.training.apart.launcher import LevelLauncher, LevelProcess
from flowzoo.training.reporter import Progress, Reporter
from flowzoo.training.stop import Interrupted

PROGRAM = "flowzoo.training.apart.program"

KINDS: dict[str, type[FlowzooError]] = {
    "numbers": NumericalError,
    "files": FileError,
    "other": FlowzooError,
}
"""Errors that end a training, by the names under which a process sends them."""

SAVING = 120.0
"""Seconds that a level has to finish its step and save it, after it was asked to stop."""

SAVING_ELSEWHERE = 4.0
"""As :data:`SAVING`, for a level that a scheduler runs, which waits no longer."""

_LOGGER = logging.getLogger("flowzoo")


@dataclass(frozen=True)
class Apart:
    """Asks for levels that train at the same time.

    Attributes:
        jobs: Number of processes at the same time; None for one a level, as far as there are cores.
        device: The device that was asked for. Without a number, levels take turns on all GPUs.
        launcher: Starts the levels; None for processes of this machine.
    """

    jobs: int | None = None
    device: str = "auto"
    launcher: LevelLauncher | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise OptionError(f"jobs is how many levels train at the same time, at least 1; got {self.jobs}")


def require_no_other_order(training: Mapping[str, Any]) -> None:
    """Refuse options of a training, as they were given, that ask for levels that train together.

    Raises:
        OptionError: They do.
    """
    if training.get("order") == "jointly":
        raise OptionError(
            "training.order=jointly trains all levels together, and parallel levels trains each one alone. "
            "Leave one of the two out"
        )


@dataclass
class _Level:
    """A level and what its process said last."""

    place: int
    said: dict[str, Any] = field(default_factory=dict)
    finished: bool = False


class LevelsApart:
    """Runs the processes of a run's levels, at most so many at the same time.

    Args:
        run: The run, whose record and beginning are written.
        places: The levels, in the order in which they are joined.
        apart: How they train at the same time.
        device: The model's device.
        workers: Number of processes that read ahead, for each level.
        steps: Number of steps of the whole training, None for a budget in seconds.
        reporter: Receives the progress of all levels together.

    Attributes:
        places: The levels.
        folders: Their files.
    """

    def __init__(
        self,
        run: RunFolder,
        places: Sequence[int],
        apart: Apart,
        device: torch.device,
        workers: int,
        steps: int | None,
        reporter: Reporter,
    ) -> None:
        self._run = run
        self.places = list(places)
        self.folders = LevelFolders(run)
        self._levels = [_Level(place) for place in places]
        self._apart = apart
        self._device = device
        self._workers = workers
        self._steps = steps
        self._reporter = reporter
        self._inbox: Inbox = queue.Queue()
        self._began = 0.0

    def train(self) -> None:
        """Train all levels, from where they were interrupted.

        Raises:
            Interrupted: A signal asked to stop; every level has saved its last step.
            FlowzooError: A level could not be trained; the others have saved theirs.
        """
        # The finest level takes longest, so it begins first.
        waiting = sorted(self._levels, key=lambda level: -level.place)
        running: dict[LevelProcess, _Level] = {}
        launcher = self._apart.launcher
        with ExitStack() as stack:
            fits = stack.enter_context(launcher).fits if launcher else os.cpu_count() or 1
            jobs = self._apart.jobs or min(len(waiting), fits)
            try:
                while waiting or running:
                    while waiting and len(running) < jobs:
                        level = waiting.pop()
                        running[stack.enter_context(self._start(level, jobs))] = level
                    process, message = self._inbox.get()
                    if message is None:
                        self._end(process, running.pop(process))
                    else:
                        self._hear(running[process], message)
            except BaseException as error:
                saved = self._stop(running)
                if isinstance(error, Interrupted):
                    raise Interrupted(error.signal, saved) from error
                raise

    def _start(self, level: _Level, jobs: int) -> LevelProcess:
        launcher, output = self._apart.launcher, self.folders.output(level.place)
        own = torch.get_num_threads() // jobs if launcher is None else launcher.threads
        threads = max(1, own or 1)
        job = {
            "run": str(self._run.path.absolute()),
            "level": level.place,
            "device": self._device_of(level) if launcher is None else launcher.device(self._apart.device),
            "workers": self._workers,
            "threads": threads,
        }
        if launcher is None:
            return ProgramProcess(PROGRAM, job, threads, output, self._inbox)
        work = str(self.folders.of(level.place).path.absolute())
        job |= {"program": PROGRAM, "work": work, "saving": SAVING_ELSEWHERE}
        return launcher.start(job, threads, output, self._inbox)

    def _device_of(self, level: _Level) -> str:
        """Return where a level trains: where there are several GPUs, levels take turns."""
        several = self._device.type == "cuda" and ":" not in self._apart.device
        count = torch.cuda.device_count() if several else 0
        return f"cuda:{level.place % count}" if count > 1 else str(self._device)

    def _hear(self, level: _Level, message: Message) -> None:
        if "refused" in message:
            raise OptionError(f"level {level.place}: {message['refused']}")
        if "again" in message:
            _LOGGER.warning("level %d is started again: %s", level.place, message["again"])
        if "began" in message or "again" in message:
            return
        if "failed" in message:
            raise KINDS[message["kind"]](f"level {level.place}: {message['failed']}")
        self._began = self._began or time.monotonic()
        level.finished = "steps" in message
        level.said |= {"used": 1.0, "step": message["steps"]} if level.finished else message
        self._reporter.update(self._progress())

    def _end(self, process: LevelProcess, level: _Level) -> None:
        code = process.wait()
        if level.finished:
            return
        if process.lost:
            how = f"was lost as often as it was started ({process.lost})"
        elif code < 0:
            how = f"was ended by {signal.Signals(-code).name}, perhaps since memory ran out"
        else:
            lines = process.printed().strip().splitlines()
            how = f"failed: {lines[-1] if lines else f'exit status {code}'}"
        raise FlowzooError(
            f"the process of level {level.place} {how}. What the levels have trained so far is kept; go on "
            f"with: flowzoo train --resume --out {word(self._run.path)}"
        )

    def _stop(self, running: dict[LevelProcess, _Level]) -> int:
        """Let processes save their last step, and return the number of steps of all levels."""
        for process in running:
            process.interrupt()
        for process in running:
            process.wait(SAVING)
        return sum(level.said.get("step", 0) for level in self._levels)

    def _progress(self) -> Progress:
        told = [level.said for level in self._levels if level.said]
        active = [level for level in self._levels if level.said and not level.finished]
        places = ", ".join(str(level.place) for level in active)
        used = sum(said["used"] for said in told) / len(self._levels)
        elapsed = time.monotonic() - self._began
        return Progress(
            stage=f"level{'s' if len(active) > 1 else ''} {places}" if active else "all levels",
            step=sum(said["step"] for said in told),
            used=used,
            seconds=elapsed,
            seconds_left=elapsed * (1.0 / max(used, 1e-3) - 1.0),
            loss=None,
            images_per_second=sum(level.said.get("speed", 0.0) for level in active),
            bits_per_dim=None,
            steps=self._steps,
        )
