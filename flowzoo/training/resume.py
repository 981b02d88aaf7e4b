"""Continues a run that was interrupted, or that is to be trained for longer."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from flowzoo.data.dataset import Dataset
from flowzoo.data.given import IN_MEMORY
from flowzoo.data.read_ahead import read_ahead
from flowzoo.device import prepare_device
from flowzoo.errors import DataError, OptionError
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.log_options import log_options
from flowzoo.integers import plain_number
from flowzoo.registry.added import with_added
from flowzoo.registry.loader import default_registry
from flowzoo.registry.provenance import Provenance, changes, provenance_of, refuse_revisions
from flowzoo.registry.saving import saved_provenance
from flowzoo.rundata import given_run_data, load_run_data
from flowzoo.runfolder import NEW_RUN, RunFolder, RunRecord
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
from flowzoo.training.grow import grow_again
from flowzoo.training.reporter import Reporter
from flowzoo.training.together.leader import Leader

_LOGGER = logging.getLogger("flowzoo")


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
        workers: As in :func:`~flowzoo.training.start.start_run`.
        reporter: Receives the progress.
        check: Refuse a model that computes something else than when training stopped, although every revision
            is the same (:mod:`flowzoo.registry.probe`).
        dataset: The images, for a run on images that were given in Python; by default they are loaded again.
        log: Other logs than those that the run was started with; names as in
            :func:`~flowzoo.experiment.log_options.log_options`.
        samples_every: Another number of validations between pictures of samples, as there.
        apart: How many levels train at the same time, for a run whose levels do.
        leader: As in :func:`~flowzoo.training.start.start_run`; their number may be another than before.

    Raises:
        FlowzooError: The folder holds no run, or what it needs has changed since: a component has another
            revision, or the images are others.
        DataError: The run was trained on images that were given in Python, which are not stored.
        OptionError: The budget is smaller than the run's, or in another unit.
        InUseError: Another process is training in it.
        FileError: As in :func:`~flowzoo.training.start.start_run`.
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
            record = replace(record, data_report=report_of(data.dataset))
        asked = record.experiment
        experiment = replace(
            asked,
            options=with_added(registry, "model", asked.model, asked.options),
            data_options=to_jsonable_python(data.options, fallback=plain_number),
            budget=budget,
        )
        flow = create_flow(experiment, data.dataset, where, registry)
        assert flow.recipe is not None, "assembled models have recipes"
        keys = dict.fromkeys([*then.revisions, *flow.recipe.revisions, *key_of(experiment)])
        logs = log_options(log, samples_every, record.log)
        record = replace(record, experiment=experiment, log=logs, processes=leader.team.count)
        record = _with_provenance(record, then, provenance_of(registry, keys), run_folder)
        source = read_ahead(data.dataset, workers, pin=where.type == "cuda")
        begun = run_folder.checkpoint.exists() or LevelFolders(run_folder).beginning.exists()
        if record.grown is not None and not begun:
            grow_again(flow, record.grown)
        finest = finest_of(record.grown)
        trainer = trainer_of(
            experiment, flow, source, run_folder, reporter, record.log, registry, finest, leader=leader
        )
        if trainer.stages > 1 and budget != before:
            raise OptionError(
                f"the budget of this run, {before}, cannot be changed, because it was divided among several "
                "stages. Start a new run"
            )
        levels = None
        if run_folder.levels.exists():
            require_one_kind_of_parallel(Apart(), leader)
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
        return train_to_the_end(trainer, run_folder, record, levels, leader, flow.device)


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
