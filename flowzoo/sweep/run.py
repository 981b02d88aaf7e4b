"""Makes the trials of a sweep, each as a cell of the benchmark, in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flowzoo.bench.cell import Cell
from flowzoo.bench.result import QUALITY, STOPPED, Result
from flowzoo.bench.runner import Runner
from flowzoo.bench.watcher import Watcher
from flowzoo.errors import FlowzooError
from flowzoo.files import make_folder
from flowzoo.locks import hold
from flowzoo.shell import word
from flowzoo.sweep.settings import Sweep, label
from flowzoo.sweep.study import State, Study, Trial

_GIVE_UP = 5
"""If so many trials fail before any other one has ended, the sweep stops."""


class SweepError(FlowzooError):
    """A sweep whose trials all fail."""


@dataclass
class _Curve:
    """The validations of a trial that were seen so far."""

    stage: str = ""
    stages: int = 0
    step: int = -1


@dataclass
class _Judge:
    """Stops trials whose validations are worse than those of others.

    Attributes:
        study: The study.
        validations: Number of validations of a training.
        numbers: Numbers of the trials, by their cells' labels.
    """

    study: Study
    validations: int
    numbers: dict[str, int] = field(default_factory=dict)
    curves: dict[str, _Curve] = field(default_factory=dict)

    def __call__(self, cell: Cell, stage: str, share: float, bits_per_dim: float) -> str:
        """Return why a trial ends now; empty if it goes on."""
        curve = self.curves.setdefault(cell.label, _Curve())
        if stage != curve.stage:
            # Stages, such as levels that train one after another, have curves of their own.
            curve.stages += bool(curve.stage)
            curve.stage = stage
        step = curve.stages * (self.validations + 1) + int(share * self.validations + 1e-6)
        if step <= curve.step:
            return ""
        curve.step = step
        if self.study.should_stop(self.numbers[cell.label], step, bits_per_dim):
            figure = f"{bits_per_dim:.3f} bits/dim after {share:.0%}"
            return f"its validation, {figure}, is worse than that of other trials"
        return ""


def run_sweep(
    sweep: Sweep,
    out: Path,
    *,
    jobs: int = 1,
    device: str = "auto",
    watcher: Watcher | None = None,
    told: Callable[[Trial], None] = lambda trial: None,
) -> list[Trial]:
    """Make the trials of a sweep that are still to come, and return all of them.

    A trial that was interrupted goes on first, with the values that it had.

    Args:
        sweep: The sweep.
        out: Folder for the study and the trials' records; made if it does not exist.
        jobs: Number of trials at the same time.
        device: As :func:`~flowzoo.device.prepare_device` takes it.
        watcher: Receives the progress of the cells.
        told: Called with each trial before it begins.

    Raises:
        SweepError: The first trials all fail.
        OptionError: As :class:`Study`.
        InUseError: Another process works in the folder.
        FileError: The folder cannot be written.
    """
    make_folder(out)
    busy = f"another flowzoo sweep is working in {out}; wait for it, or choose another --out"
    with hold(out / "lock", busy):
        study = Study(sweep, out, parallel=jobs > 1)
        judge = _Judge(study, sweep.validations)
        runner = Runner(out, device=device, jobs=jobs, watcher=watcher, stop=judge)
        began = time.monotonic()
        while batch := _next(sweep, study, jobs, time.monotonic() - began):
            cells = [sweep.cell(trial.number, trial.values) for trial in batch]
            judge.numbers = {cell.label: trial.number for cell, trial in zip(cells, batch, strict=True)}
            for trial in batch:
                told(trial)
            for trial, result in zip(batch, runner.run(cells), strict=True):
                study.end(trial.number, *_outcome(result))
            _give_up_if_all_fail(study, out)
        return study.trials()


def _next(sweep: Sweep, study: Study, jobs: int, elapsed: float) -> Sequence[Trial]:
    made = study.trials()
    waiting = [trial for trial in made if trial.state == "running"][:jobs]
    asked = sweep.asked
    if asked.minutes is not None and elapsed >= 60 * asked.minutes:
        return []
    left = jobs if asked.trials is None else asked.trials - len(made)
    return [*waiting, *(study.ask() for _ in range(min(left, jobs - len(waiting))))]


def _outcome(result: Result) -> tuple[State, float | None]:
    if result.failure is not None:
        return ("pruned" if result.failure.cause == STOPPED else "failed"), None
    measured = result.metrics[QUALITY].value
    return ("failed", None) if measured is None else ("finished", measured)


def _give_up_if_all_fail(study: Study, out: Path) -> None:
    trials = study.trials()
    if len(trials) >= _GIVE_UP and all(trial.state == "failed" for trial in trials):
        raise SweepError(
            f"the first {len(trials)} trials failed, so the sweep stops; {label(trials[-1].number)} and the "
            f"others are in {word(out)}, with their reasons: flowzoo bench report {word(out)}"
        )
