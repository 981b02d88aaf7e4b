"""What the start and the continuation of a run share: its trainer, its record and its course."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch

from flowzoo.data.dataset import Dataset
from flowzoo.data.given import IN_MEMORY
from flowzoo.data.read_ahead import read_ahead
from flowzoo.errors import OptionError
from flowzoo.experiment.experiment import Experiment
from flowzoo.experiment.log_options import NO_LOG, LogOptions
from flowzoo.flow import Flow
from flowzoo.registry.loader import default_registry
from flowzoo.registry.lookup import Registry
from flowzoo.registry.provenance import Provenance
from flowzoo.registry.saving import check_replaceable
from flowzoo.rundata import load_run_data
from flowzoo.runfolder import DataReport, Grown, RunFolder, RunRecord
from flowzoo.training.apart.levels_apart import Apart, LevelsApart
from flowzoo.training.apart.whole import train_levels
from flowzoo.training.create import create_flow
from flowzoo.training.reporter import Reporter
from flowzoo.training.stop import stoppable
from flowzoo.training.together.leader import Leader
from flowzoo.training.trainer import Trainer


def trainer_of(
    experiment: Experiment,
    flow: Flow,
    dataset: Dataset,
    folder: RunFolder,
    reporter: Reporter,
    log: LogOptions,
    registry: Registry,
    finest: int | None = None,
    only: int | None = None,
    leader: Leader | None = None,
) -> Trainer:
    """Return the trainer of a run; arguments as of :class:`~flowzoo.training.trainer.Trainer`."""

    def make_scoring() -> Flow:
        return create_flow(experiment, dataset, flow.device, registry, scoring=True)

    fingerprint = experiment.fingerprint_in(registry)
    return Trainer(
        flow, make_scoring, dataset, folder, experiment, fingerprint, reporter, log, finest, only, leader
    )


def level_trainer(
    run: RunFolder, folder: RunFolder, place: int, device: torch.device, workers: int, reporter: Reporter
) -> Trainer:
    """Return the trainer of one level of a run, which trains into a folder of its own.

    Args:
        run: The run.
        folder: Folder of the level.
        place: Place of the level, 0 being the finest.
        device: Where it trains.
        workers: As in :func:`~flowzoo.training.start.start_run`.
        reporter: Receives the progress.

    Raises:
        FlowzooError: As in :func:`~flowzoo.training.resume.resume_run`.
    """
    record = run.read()
    registry = (record.provenance or Provenance()).bind(default_registry())
    dataset = load_run_data(record, None, ("train", "validation")).dataset
    flow = create_flow(record.experiment, dataset, device, registry)
    source = read_ahead(dataset, workers, pin=device.type == "cuda")
    return trainer_of(
        record.experiment, flow, source, folder, reporter, NO_LOG, registry, finest_of(record.grown), place
    )


def train_to_the_end(
    trainer: Trainer,
    folder: RunFolder,
    record: RunRecord,
    levels: LevelsApart | None,
    leader: Leader,
    device: torch.device,
) -> RunRecord:
    """Train until the budget is used up, and keep the run's record up to date."""
    record = replace(record, first_validation=trainer.first_validation)

    def note(status: Literal["running", "finished"], steps: int, seconds: float) -> RunRecord:
        noted = replace(record, status=status, steps=steps, seconds=round(seconds, 3))
        folder.write(noted)
        return noted

    check_replaceable(folder.model)
    with stoppable():
        note("running", record.steps, record.seconds)
        leader.prepare(record, device)
        if levels is None:
            result = trainer.train(lambda position: note("running", position.step, position.seconds))
        else:
            result = train_levels(trainer, levels)
        return note("finished", result.steps, result.seconds)


def report_of(dataset: Dataset) -> DataReport:
    """Return the part of a data report that is known after loading the data set."""
    info = dataset.info
    return DataReport(dict(info.sizes), dict(info.revisions), dict(info.skipped), dict(info.changed))


def finest_of(grown: Grown | None) -> int | None:
    """Return how many levels train of a model that has grown; None for one that trains as a whole."""
    return None if grown is None else grown.levels


def key_of(experiment: Experiment) -> list[str]:
    """Return the key of the data set's component; none for images that were given in memory."""
    return [] if experiment.data == IN_MEMORY else [f"dataset:{experiment.data}"]


def require_one_kind_of_parallel(apart: Apart | None, leader: Leader) -> None:
    """Refuse levels that train apart where several processes train one model together."""
    if apart is not None and not leader.team.is_alone:
        raise OptionError(
            f"--parallel levels starts its own processes, and {leader.team.count} were started to share the "
            "steps. Start one process for --parallel levels, or leave it out"
        )
