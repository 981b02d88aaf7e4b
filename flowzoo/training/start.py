"""Starts a run: from names and options to a trained model in a run folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flowzoo.data.dataset import Dataset
from flowzoo.data.inspection import inspect_dataset
from flowzoo.data.load import load_dataset
from flowzoo.data.read_ahead import read_ahead
from flowzoo.device import prepare_device
from flowzoo.errors import FileError
from flowzoo.experiment.experiment import Experiment
from flowzoo.experiment.log_options import NO_LOG, LogOptions
from flowzoo.flow import Flow
from flowzoo.registry.loader import default_registry
from flowzoo.registry.provenance import provenance_of
from flowzoo.runfolder import RunFolder, RunRecord
from flowzoo.training.apart.folders import LevelFolders
from flowzoo.training.apart.levels_apart import Apart
from flowzoo.training.apart.whole import plan_levels
from flowzoo.training.course import (
    finest_of,
    key_of,
    report_of,
    require_one_kind_of_parallel,
    train_to_the_end,
    trainer_of,
)
from flowzoo.training.create import create_flow
from flowzoo.training.grow import grow
from flowzoo.training.reporter import Reporter
from flowzoo.training.together.leader import Leader


def start_run(
    folder: Path | str,
    experiment: Experiment,
    *,
    device: str = "auto",
    workers: int = 0,
    reporter: Reporter | None = None,
    log: LogOptions = NO_LOG,
    apart: Apart | None = None,
    grow_from: str | None = None,
    leader: Leader | None = None,
) -> RunRecord:
    """Train a model on a data set into a new run folder.

    Args:
        folder: Folder for the run; new or empty.
        experiment: The experiment, as :func:`~flowzoo.experiment.parse.parse_experiment` returns it.
        device: A device, as :func:`~flowzoo.device.prepare_device` takes it.
        workers: Number of processes that read images ahead. They change nothing but the time.
        reporter: Receives the progress.
        log: Where training is logged besides the run folder's own log, as
            :func:`~flowzoo.experiment.log_options.log_options` returns it.
        apart: Train the levels at the same time, each in a process of its own; the experiment has
            ``training.order=separately`` then.
        grow_from: A trained model, as :func:`~flowzoo.loading.load_model` takes it, whose levels become the
            coarse levels of this one and stay as they are; only the finer levels train.
        leader: Leads the other processes that train (:mod:`flowzoo.training.together`); None for this one
            alone.

    Returns:
        The finished run's record.

    Raises:
        FlowzooError: A name, an option, the data or the folder is not right.
        InUseError: Another process is training in the folder.
        FileError: A file cannot be written, for example since the disk is full.
            :func:`~flowzoo.training.resume.resume_run` continues then.
        NumericalError: The loss is not finite.
        Interrupted: Ctrl-C or SIGTERM stopped it; all steps until then are saved.

    Whatever is raised before the first step, the folder is left as it was.
    """
    leader = leader or Leader.alone()
    where = prepare_device(leader.team.device(device))
    dataset = load_dataset(experiment.data, **experiment.data_options)
    flow = create_flow(experiment, dataset, where, default_registry())
    return train_into(
        folder,
        experiment,
        flow,
        dataset,
        workers=workers,
        reporter=reporter,
        log=log,
        apart=apart,
        grow_from=grow_from,
        leader=leader,
    )


def train_into(
    folder: Path | str,
    experiment: Experiment,
    flow: Flow,
    dataset: Dataset,
    *,
    workers: int = 0,
    reporter: Reporter | None = None,
    log: LogOptions = NO_LOG,
    apart: Apart | None = None,
    grow_from: str | None = None,
    leader: Leader | None = None,
) -> RunRecord:
    """Train a given model in place; returns and errors as in :func:`start_run`.

    Args:
        folder: Folder for the run; new or empty.
        experiment: The experiment; model, options and pixels are taken from the model's recipe.
        flow: The model, on its device.
        dataset: The images.
        workers: As in :func:`start_run`.
        reporter: Receives the progress.
        log: As in :func:`start_run`.
        apart: As in :func:`start_run`.
        grow_from: As in :func:`start_run`.
        leader: As in :func:`start_run`.
    """
    leader = leader or Leader.alone()
    require_one_kind_of_parallel(apart, leader)
    reporter = reporter or Reporter()
    registry = default_registry()
    recipe = flow.recipe
    assert recipe is not None, "assembled models have recipes"
    experiment = replace(
        experiment,
        model=recipe.model,
        options=recipe.options,
        pixels=recipe.pixels,
        data_revision=dataset.info.revision,
    )
    run_folder = RunFolder(folder)
    dataset = read_ahead(dataset, workers, pin=flow.device.type == "cuda")
    grown = None if grow_from is None else grow(flow, grow_from)
    trainer = trainer_of(
        experiment, flow, dataset, run_folder, reporter, log, registry, finest_of(grown), leader=leader
    )
    levels = (
        None
        if apart is None
        else plan_levels(apart, trainer, run_folder, experiment, flow.device, workers, reporter, log)
    )
    findings = inspect_dataset(dataset, reporter.inspected)
    record = RunRecord(
        experiment,
        data_report=replace(report_of(dataset), changed=findings.changed, shared=findings.shared),
        provenance=provenance_of(registry, [*recipe.revisions, *key_of(experiment)]),
        log=log,
        grown=grown,
        processes=leader.team.count,
    )

    def keep(error: BaseException) -> bool:
        # If a disk is full, it is enough to free space and resume.
        saved = isinstance(error, FileError) and run_folder.checkpoint.exists()
        return trainer.steps > 0 or saved or LevelFolders(run_folder).trained

    with run_folder.created(keep):
        reporter.begins(record)
        return train_to_the_end(trainer, run_folder, record, levels, leader, flow.device)
