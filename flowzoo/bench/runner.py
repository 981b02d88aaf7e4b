"""Runs a suite: each cell in a process of its own, so that a cell that fails does not affect others.

A launcher (:mod:`flowzoo.bench.engines`) decides where these processes run.
"""

from __future__ import annotations

import math
import os
import queue
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from flowzoo.bench.cell import CELLS, Cell, file_part
from flowzoo.bench.engines.launcher import CellProcess, Launcher, LocalLauncher
from flowzoo.bench.failure import explain_exit, last_lines
from flowzoo.bench.kept import changed_since, expected_of, made_with
from flowzoo.bench.measured import rescue
from flowzoo.bench.planning_process import PlanningProcess
from flowzoo.bench.result import STOPPED, Failure, Result
from flowzoo.bench.stage_times import StageTimes
from flowzoo.bench.store import ResultsError, read_results, suite_folder, write_result
from flowzoo.bench.suite import LONGEST
from flowzoo.bench.watcher import SilentWatcher, Watcher
from flowzoo.errors import FileError, FlowzooError, InUseError, OptionError
from flowzoo.files import make_folder, writing
from flowzoo.locks import hold
from flowzoo.program_process import Inbox, Message

Overwrite = Literal["never", "always", "failed"]


class RunnerError(FlowzooError):
    """A folder of results that another runner is working in, or an engine that cannot run cells."""


@dataclass(frozen=True)
class _Planned:
    """A cell with its plan and its files.

    Attributes:
        cell: The cell.
        plan: The cell's record without figures.
        file: File of its result.
        work: Its work folder, from which it continues after an interruption.
    """

    cell: Cell
    plan: Result
    file: Path
    work: Path


@dataclass
class _Running:
    """A cell that is running.

    Attributes:
        index: Its place among the requested cells.
        planned: The cell.
        began: When it was started, by the monotonic clock; infinite while it waits for a place.
        times: What it is doing, and how long everything took so far.
    """

    index: int
    planned: _Planned
    began: float
    times: StageTimes = field(default_factory=StageTimes)


class Runner:
    """Runs cells of one suite into a folder of results.

    Every finished cell is written to a file at once. A cell that was interrupted continues from its
    last checkpoint when it is run again.

    Args:
        out: Folder of results; the suite's are in a folder of its name below it.
        device: As :func:`~flowzoo.device.prepare_device` takes it.
        jobs: Number of cells to run at the same time; None for as many as the launcher has room for.
        overwrite: Which cells with a result to run again: ``never`` any, ``failed`` ones, ``always`` all.
        timeout: Seconds that a cell may take; None for no limit.
        watcher: Receives the progress.
        launcher: Starts the cells; None for processes of this machine.
        stop: Called with a cell, its stage, the fraction of it that is done and the last validation's
            bits/dim while it trains. If it returns a reason, the cell ends, and is recorded as stopped.

    Raises:
        OptionError: An argument is out of range.
    """

    def __init__(
        self,
        out: Path,
        *,
        device: str = "auto",
        jobs: int | None = None,
        overwrite: Overwrite = "never",
        timeout: float | None = None,
        watcher: Watcher | None = None,
        launcher: Launcher | None = None,
        stop: Callable[[Cell, str, float, float], str] | None = None,
    ) -> None:
        if jobs is not None and jobs < 1:
            raise OptionError(f"jobs is how many cells run at the same time, at least 1; got {jobs}")
        if timeout is not None and not 0 < timeout <= LONGEST:
            raise OptionError(
                f"timeout is how many seconds a cell may take, up to {LONGEST:,.0f}; got {timeout:g}"
            )
        self._out = out
        self._launcher: Launcher = launcher or LocalLauncher()
        self._device = self._launcher.device(device)
        self._jobs = jobs or 1
        self._fill = jobs is None
        self._stop = stop
        self._overwrite = overwrite
        self._timeout = timeout
        self._watcher: Watcher = watcher or SilentWatcher()
        self._inbox: Inbox = queue.Queue()

    def run(self, cells: Sequence[Cell]) -> list[Result]:
        """Return the results of cells, new or kept from before, in their order.

        Args:
            cells: The cells of one suite.

        Raises:
            RunnerError: Another runner is working in the folder, or the engine cannot run cells.
            FileError: The folder cannot be written.
            OptionError: There is no such device.
        """
        folder = suite_folder(self._out, cells[0].suite)
        hidden = folder / ".work"
        busy = f"another flowzoo bench run is working in {folder}; wait for it, or choose another --out"
        try:
            make_folder(hidden)
            with hold(hidden / "lock", busy), writing(folder, "cannot work in"):
                return self._run(cells, folder, hidden)
        except InUseError as error:
            raise RunnerError(busy) from error
        except FileError as error:
            raise FileError(f"{error}. Finished cells are kept; repeat the command to continue") from error

    def _run(self, cells: Sequence[Cell], folder: Path, hidden: Path) -> list[Result]:
        for leftover in folder.glob(".*.part"):  # left by a process that was killed while it wrote
            leftover.unlink()
        plans = PlanningProcess(
            cells,
            self._device,
            hidden / "planning.log",
            lambda done: self._watcher.planned(done, len(cells)),
            elsewhere=self._launcher.elsewhere,
        )
        plans.make()
        self._device = plans.device
        results: dict[int, Result] = {}
        waiting: list[tuple[int, _Planned]] = []
        for index, (cell, plan) in enumerate(zip(cells, plans.results, strict=True)):
            name = _name(cell, plan)
            planned = _Planned(cell, plan, folder / f"{name}.json", hidden / name)
            found = self._found(planned)
            if found is not None:
                results[index] = found
                self._keep(cell, plan, found)
            elif plan.failure is not None:
                self._watcher.started(cell)
                results[index] = self._end(planned, plan.failure)
            else:
                waiting.append((index, planned))
        if waiting:
            self._watcher.opening(self._launcher.name)
            with self._launcher:
                self._jobs = self._launcher.fits if self._fill else self._jobs
                results |= self._work_through(waiting)
        return [results[index] for index in range(len(cells))]

    def _found(self, planned: _Planned) -> Result | None:
        """Return the result that a cell may keep. Remove files from which it must not continue."""
        if self._overwrite == "always":
            shutil.rmtree(planned.work, ignore_errors=True)
            return None
        try:
            (result,) = read_results(planned.file).results
        except ResultsError:
            return None
        failed = result.status == "failed" or result.unmeasured
        return None if failed and self._overwrite == "failed" else result

    def _keep(self, cell: Cell, plan: Result, found: Result) -> None:
        changed = changed_since(found, made_with(cell, plan)) if plan.failure is None else ""
        if changed:
            self._watcher.outdated(cell, found, changed)
        else:
            self._watcher.skipped(cell, found)

    def _work_through(self, waiting: Sequence[tuple[int, _Planned]]) -> dict[int, Result]:
        """Run cells, at most ``jobs`` at a time, and return their results by place."""
        results: dict[int, Result] = {}
        left = list(reversed(waiting))
        running: dict[CellProcess, _Running] = {}
        try:
            while left or running:
                while left and len(running) < self._jobs:
                    index, planned = left.pop()
                    began = math.inf if self._launcher.queues else time.monotonic()
                    running[self._start(planned)] = _Running(index, planned, began)
                for worker, result in self._ended(running):
                    results[running.pop(worker).index] = result
        finally:
            for worker in running:
                worker.kill()
        return results

    def _start(self, planned: _Planned) -> CellProcess:
        self._watcher.started(planned.cell)
        planned.work.mkdir(parents=True, exist_ok=True)
        threads = planned.cell.threads or self._launcher.threads or _threads(self._jobs)
        job = {
            "job": "run",
            "cell": CELLS.dump_python([planned.cell], mode="json")[0],
            "plan": planned.plan.plain(),
            "work": str(planned.work.absolute()),
            "result": str(planned.file.absolute()),
            "device": self._device,
            "jobs": self._jobs,
            "threads": threads,
        }
        if self._launcher.elsewhere:
            job["expected"] = expected_of(planned.cell, planned.plan)
        return self._launcher.start(job, threads, planned.work / "output.log", self._inbox)

    def _ended(self, running: Mapping[CellProcess, _Running]) -> Iterator[tuple[CellProcess, Result]]:
        """Wait for a message or a time-out, and yield the cells that have ended."""
        with suppress(queue.Empty):
            worker, message = self._inbox.get(timeout=self._patience(running))
            at_work = running.get(worker)
            if at_work is None:
                return  # the last messages of one that took too long
            if message is None:
                yield worker, self._take(worker, at_work)
            else:
                reason = self._hear(at_work, message)
                if reason:
                    worker.kill()
                    failure = Failure(at_work.times.stage, STOPPED, reason)
                    yield worker, self._end(at_work.planned, failure)
        yield from self._overdue(running)

    def _hear(self, at_work: _Running, message: Message) -> str:
        """Take a message, and return why its cell is to be stopped; empty if it goes on."""
        cell = at_work.planned.cell
        if "refused" in message:
            raise RunnerError(
                f"{message['refused']}. Finished cells are kept; repeat the command to continue"
            )
        if "stage" in message:
            at_work.times.enter(message["stage"])
            self._watcher.progressed(cell, message["stage"], message["share"], message["bits"])
        elif "began" in message:
            at_work.began, at_work.times = time.monotonic(), StageTimes()
        elif "again" in message:
            at_work.began = math.inf
            again = f"{message['again']}; starting it again, {message['attempt']} of {message['of']} times"
            self._watcher.restarted(cell, again)
        if self._stop is None or not message.get("is_step") or message["bits"] is None:
            return ""
        return self._stop(cell, message["stage"], message["share"], message["bits"])

    def _take(self, worker: CellProcess, at_work: _Running) -> Result:
        """Return the result of a process that has ended, written by itself or, where it crashed, here."""
        code, planned = worker.wait(), at_work.planned
        if worker.done:
            with suppress(ResultsError):
                (result,) = read_results(planned.file).results
                return self._tidy(planned, result)
        failure = explain_exit(at_work.times.stage, code, worker.printed())
        if worker.lost:
            failure = replace(failure, reason=f"{worker.lost}, as often as it was started")
        return self._end(planned, failure)

    def _overdue(self, running: Mapping[CellProcess, _Running]) -> Iterator[tuple[CellProcess, Result]]:
        for worker, at_work in list(running.items()):
            if self._timeout is not None and time.monotonic() - at_work.began >= self._timeout:
                worker.kill()
                reason = f"took more than {self._timeout:g} s: {at_work.times.in_words()}"
                failure = Failure(at_work.times.stage, "time-out", reason, last_lines(worker.printed()))
                yield worker, self._end(at_work.planned, failure)

    def _patience(self, running: Mapping[CellProcess, _Running]) -> float | None:
        """Return the seconds until the first cell reaches its time limit; None without a limit."""
        if self._timeout is None:
            return None
        first = min(at_work.began for at_work in running.values())
        return None if math.isinf(first) else max(0.0, first + self._timeout - time.monotonic())

    def _end(self, planned: _Planned, failure: Failure) -> Result:
        date = datetime.now(UTC).isoformat(timespec="seconds")
        result = rescue(replace(planned.plan, failure=failure, date=date), planned.cell, planned.work)
        write_result(planned.file, result)
        return self._tidy(planned, result)

    def _tidy(self, planned: _Planned, result: Result) -> Result:
        """Remove the work folder unless a cell can continue from it."""
        if not _worth_going_on(result):
            shutil.rmtree(planned.work, ignore_errors=True)
        self._watcher.ended(planned.cell, result)
        return result


def _worth_going_on(result: Result) -> bool:
    """Whether a cell that is run again continues from where it failed: not if its training failed."""
    failure = result.failure
    if failure is None:
        return bool(result.unmeasured)
    return failure.cause not in ("not finite", STOPPED) or not failure.stage.startswith("training")


def _threads(jobs: int) -> int:
    """Return the number of a cell's threads: the user's choice, or its part of the available cores."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)


def _name(cell: Cell, plan: Result) -> str:
    """Return a name for the cell's files. Equal rows with two labels have two names."""
    return f"{file_part(cell.data_label)}--{file_part(cell.label)}--seed{cell.experiment.seed}--{plan.key}"
