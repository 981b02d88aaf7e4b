"""Starts or continues a run: from names and options to a trained model in a run folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic_core import to_jsonable_python

from flowzoo.data.dataset import Dataset
from flowzoo.data.given import IN_MEMORY
from flowzoo.data.inspection import inspect_dataset
from flowzoo.data.load import load_dataset
from flowzoo.data.read_ahead import read_ahead
from flowzoo.device import prepare_device
from flowzoo.errors import DataError, FileError, OptionError
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.experiment import Experiment
from flowzoo.experiment.log_options import NO_LOG, LogOptions, log_options
from flowzoo.flow import Flow
from flowzoo.integers import plain_number
from flowzoo.registry.added import with_added
from flowzoo.registry.loader import default_registry
from flowzoo.registry.lookup import Registry
from flowzoo.registry.provenance import Provenance, changes, provenance_of, refuse_revisions
from flowzoo.registry.saving import check_replaceable, saved_provenance
from flowzoo.rundata import given_run_data, load_run_data
from flowzoo.runfolder import NEW_RUN, DataReport, Grown, RunFolder, RunRecord
from flowzoo.training.apart.folders import LevelFolders
from flowzoo.training.apart.levels_apart import Apart, LevelsApart
from flowzoo.training.apart.whole import plan_levels, train_levels
from flowzoo.training.create import create_flow
from flowzoo.training.grow import grow, grow_again
from flowzoo.training.reporter import Reporter
from flowzoo.training.stop import stoppable
from flowzoo.training.together.leader import Leader
from flowzoo.training.trainer import Trainer

_LOGGER = logging.getLogger("flowzoo")


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
        FileError: A file cannot be written, for example since the disk is full. :func:`resume_run` continues
            then.
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
    _require_one_kind_of_parallel(apart, leader)
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
    finest = _finest(grown)
    trainer = _trainer(experiment, flow, dataset, run_folder, reporter, log, registry, finest, leader=leader)
    levels = (
        None
        if apart is None
        else plan_levels(apart, trainer, run_folder, experiment, flow.device, workers, reporter, log)
    )
    findings = inspect_dataset(dataset, reporter.inspected)
    record = RunRecord(
        experiment,
        data_report=replace(_report(dataset), changed=findings.changed, shared=findings.shared),
        provenance=provenance_of(registry, [*recipe.revisions, *_key_of(experiment)]),
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
        return _train_to_the_end(trainer, run_folder, record, levels, leader, flow.device)


def resume_run(
    folder: Path | str,
    *,
    budget: Budget | None = None,
    data_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    workers: int = 0,
    reporter: Reporter | None = None,
    check: bool = True,
    dataset: Dataset | None = None,
    log: str | Iterable[str] | None = None,
    samples_every: int | None = None,
    apart: Apart | None = None,
    leader: Leader | None = None,
) -> RunRecord:
    """Continue a run that was interrupted, or that is to be trained for longer.

    Args:
        folder: Folder of the run.
        budget: A larger total budget, in the unit of the old one; by default the run's own.
        data_options: Options of the data set that say where its files are, if they have moved; by default
            the run's own. The images to train and to validate on have to be the same.
        device: A device, as :func:`~flowzoo.device.prepare_device` takes it.
        workers: As in :func:`start_run`.
        reporter: Receives the progress.
        check: Refuse a model that computes something else than when training stopped, although every revision
            is the same (:mod:`flowzoo.registry.probe`).
        dataset: The images, for a run on images that were given in Python; by default they are loaded again.
        log: Other logs than those that the run was started with; names as in
            :func:`~flowzoo.experiment.log_options.log_options`.
        samples_every: Another number of validations between pictures of samples, as there.
        apart: How many levels train at the same time, for a run whose levels do.
        leader: As in :func:`start_run`; the number of processes may be another than before.

    Raises:
        FlowzooError: The folder holds no run, or what it needs has changed since: a component has another
            revision, or the images are others.
        DataError: The run was trained on images that were given in Python, which are not stored.
        OptionError: The budget is smaller than the run's, or in another unit.
        InUseError: Another process is training in it.
        FileError: As in :func:`start_run`.
    """
    run_folder = RunFolder(folder)
    if dataset is None and run_folder.read().experiment.data == IN_MEMORY:
        path = str(run_folder.path)
        raise DataError(
            f"{path} cannot go on by itself: its images were given in Python, and they are not stored with "
            f"it. Give them again: call flowzoo.train as before, with out={path!r} and resume=True"
        )
    reporter = reporter or Reporter()
    leader = leader or Leader.alone()
    where = prepare_device(leader.team.device(device))
    with run_folder.locked():
        record = run_folder.read()
        before = record.experiment.budget
        budget = budget or before
        _require_no_less(budget, before)
        then = record.provenance or _provenance_of_model(run_folder)
        installed = default_registry()
        refuse_revisions(then, installed, str(run_folder.path), "was trained", NEW_RUN)
        registry = then.bind(installed)
        unchanged = ("train", "validation")
        if dataset is None:
            data = load_run_data(record, data_options, unchanged)
        else:
            data = given_run_data(record, dataset, record.experiment.data_options, unchanged)
        if not data.changes and not record.data_report.revisions:  # a record of an older version
            record = replace(record, data_report=_report(data.dataset))
        asked = record.experiment
        experiment = replace(
            asked,
            options=with_added(registry, "model", asked.model, asked.options),
            data_options=to_jsonable_python(data.options, fallback=plain_number),
            budget=budget,
        )
        flow = create_flow(experiment, data.dataset, where, registry)
        assert flow.recipe is not None, "assembled models have recipes"
        keys = dict.fromkeys([*then.revisions, *flow.recipe.revisions, *_key_of(experiment)])
        logs = log_options(log, samples_every, record.log)
        record = replace(record, experiment=experiment, log=logs, processes=leader.team.count)
        record = _with_provenance(record, then, provenance_of(registry, keys), run_folder)
        source = read_ahead(data.dataset, workers, pin=where.type == "cuda")
        begun = run_folder.checkpoint.exists() or LevelFolders(run_folder).beginning.exists()
        if record.grown is not None and not begun:
            grow_again(flow, record.grown)
        finest = _finest(record.grown)
        trainer = _trainer(
            experiment, flow, source, run_folder, reporter, record.log, registry, finest, leader=leader
        )
        if trainer.stages > 1 and budget != before:
            raise OptionError(
                f"the budget of this run, {before}, cannot be changed, because it was divided among several "
                "stages. Start a new run"
            )
        levels = None
        if run_folder.levels.exists():
            _require_one_kind_of_parallel(Apart(), leader)
            levels = plan_levels(
                apart or Apart(), trainer, run_folder, experiment, flow.device, workers, reporter, record.log
            )
        elif apart is not None:
            raise OptionError(
                "the levels of this run train one after another, or it is finished. Leave --parallel "
                "out, and --jobs, --engine and --address"
            )
        else:
            trainer.restore(then if check else None)
        return _train_to_the_end(trainer, run_folder, record, levels, leader, flow.device)


def _require_one_kind_of_parallel(apart: Apart | None, leader: Leader) -> None:
    """Refuse levels that train apart where several processes train one model together."""
    if apart is not None and not leader.team.is_alone:
        raise OptionError(
            f"--parallel levels starts its own processes, and {leader.team.count} were started to share the "
            "steps. Start one process for --parallel levels, or leave it out"
        )


def _key_of(experiment: Experiment) -> list[str]:
    """Return the key of the data set's component; none for images that were given in memory."""
    return [] if experiment.data == IN_MEMORY else [f"dataset:{experiment.data}"]


def _require_no_less(budget: Budget, before: Budget) -> None:
    """Refuse a budget that is smaller than a run's, or in another unit."""
    if (before.steps is None) != (budget.steps is None):
        raise OptionError(
            f"the run's budget is {before}, not in the unit of {budget}; give it in the same unit"
        )
    if budget.amount < before.amount:
        raise OptionError(
            f"the run's budget is {before}, and {budget} is less; give at least {before}, or leave it out"
        )


def _provenance_of_model(folder: RunFolder) -> Provenance:
    """Return what the best model of a run was made with, for records that do not state it."""
    return saved_provenance(folder.model) if folder.model.exists() else Provenance()


def _with_provenance(record: RunRecord, then: Provenance, now: Provenance, folder: RunFolder) -> RunRecord:
    """Return the record of a run that continues with what is installed now, and log changed versions."""
    others = changes(then, now, files=False)
    if not others:
        return replace(record, provenance=now)
    _LOGGER.warning("%s was trained with %s", folder.path, ", ".join(others))
    return replace(record, provenance=now, earlier_versions=(*record.earlier_versions, then.versions))


def _report(dataset: Dataset) -> DataReport:
    """Return the part of a data report that is known after loading the data set."""
    info = dataset.info
    return DataReport(dict(info.sizes), dict(info.revisions), dict(info.skipped), dict(info.changed))


def _trainer(
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
        workers: As in :func:`start_run`.
        reporter: Receives the progress.

    Raises:
        FlowzooError: As in :func:`resume_run`.
    """
    record = run.read()
    registry = (record.provenance or Provenance()).bind(default_registry())
    dataset = load_run_data(record, None, ("train", "validation")).dataset
    flow = create_flow(record.experiment, dataset, device, registry)
    source = read_ahead(dataset, workers, pin=device.type == "cuda")
    return _trainer(
        record.experiment, flow, source, folder, reporter, NO_LOG, registry, _finest(record.grown), place
    )


def _finest(grown: Grown | None) -> int | None:
    """Return how many levels train of a model that has grown; None for one that trains as a whole."""
    return None if grown is None else grown.levels


def _train_to_the_end(
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
