"""Starting a run, or going on with one: from names and options to a trained model in a run folder."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic_core import to_jsonable_python

from flowzoo.data.dataset import Dataset
from flowzoo.data.inspection import inspect_dataset
from flowzoo.data.load import absolute_options, load_dataset
from flowzoo.device import prepare_device
from flowzoo.errors import OptionError
from flowzoo.flow import Flow
from flowzoo.integers import plain_number
from flowzoo.registry.loader import default_registry
from flowzoo.registry.lookup import Registry
from flowzoo.registry.models import assemble
from flowzoo.registry.provenance import Provenance, changes, provenance_of, refuse_revisions
from flowzoo.registry.saving import saved_provenance
from flowzoo.rundata import load_run_data
from flowzoo.runfolder import NEW_RUN, DataReport, RunFolder, RunRecord
from flowzoo.seeds import check_seed
from flowzoo.training.budget import Budget
from flowzoo.training.options import parse_training_options
from flowzoo.training.reporter import Reporter, SilentReporter
from flowzoo.training.trainer import Trainer

_LOGGER = logging.getLogger("flowzoo")


def start_run(
    folder: Path | str,
    model: str,
    data: str,
    *,
    budget: Budget,
    options: Mapping[str, Any] | None = None,
    pixels: Any = None,
    data_options: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str = "auto",
    reporter: Reporter | None = None,
    inspected: Callable[[int, int], object] = lambda done, total: None,
    begins: Callable[[RunRecord], object] = lambda record: None,
) -> RunRecord:
    """Train a model on a data set into a new run folder.

    Args:
        folder: Where the run goes; new or empty.
        model: Registered name.
        data: Registered name of the data set.
        budget: How long to train.
        options: The model's.
        pixels: Pixel transform, name or mapping; by default what the data set recommends.
        data_options: The data set's.
        training: Those of :class:`~flowzoo.training.options.TrainingOptions` that differ from their defaults.
        seed: Of weights, noise and order of the data.
        device: As :func:`~flowzoo.device.prepare_device` takes it.
        reporter: Is told of every step.
        inspected: Is told how many images of how many have been read to look for damaged ones, before
            anything is trained.
        begins: Gets the record when training begins; its ``data_report`` says what was found in the data.

    Returns:
        The finished run's record.

    Raises:
        FlowzooError: A name, an option, the data or the folder is not right; nothing is written then.
        InUseError: Another process is training in the folder.
        FileError: A file cannot be written, for want of room, say; :func:`resume_run` goes on from there.
    """
    training_options = parse_training_options(training or {})
    seed = check_seed(seed)
    where = prepare_device(device)
    registry = default_registry()
    data = registry.address(registry.find("dataset", data))
    data_options = absolute_options(data, data_options or {})
    dataset = load_dataset(data, **data_options)
    record = RunRecord(
        model=model,
        options=options or {},
        pixels=pixels if pixels is not None else dataset.info.pixels,
        data=data,
        data_options=to_jsonable_python(data_options, fallback=plain_number),
        data_revision=dataset.info.revision,
        training=training_options.model_dump(),
        budget={"steps": budget.steps, "seconds": budget.seconds},
        seed=seed,
    )
    flow = _create(record, dataset, where, registry)
    recipe = flow.recipe
    assert recipe is not None, "assembled models have recipes"
    record = replace(
        record,
        model=recipe.model,
        options=recipe.options,
        pixels=recipe.pixels,
        provenance=provenance_of(registry, [*recipe.revisions, f"dataset:{data}"]),
    )
    run_folder = RunFolder(folder)
    trainer = _trainer(record, flow, dataset, run_folder, reporter, registry)
    findings = inspect_dataset(dataset, inspected)
    report = replace(_report(dataset), changed=findings.changed, shared=findings.shared)
    record = replace(record, data_report=report)
    with run_folder.created():
        begins(record)
        return _train(trainer, run_folder, record)


def resume_run(
    folder: Path | str,
    *,
    budget: Budget | None = None,
    data_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
    check: bool = True,
) -> RunRecord:
    """Go on with a run that was interrupted, or that is to be trained for longer.

    Args:
        folder: Of the run.
        budget: A new total budget, in the unit of the old one; by default the run's own.
        data_options: Options of the data set that say where its files are, where they have moved; by default
            the run's own. The images to train and to validate on have to be the same.
        device: As :func:`~flowzoo.device.prepare_device` takes it.
        reporter: Is told of every step.
        check: Refuse a model that computes something else than when training stopped, though every revision
            is the same (:mod:`flowzoo.registry.probe`).

    Raises:
        FlowzooError: The folder holds no run, or what it needs has changed since: a component has another
            revision, or the images are others.
        InUseError: Another process is training in it.
        FileError: As in :func:`start_run`.
    """
    run_folder = RunFolder(folder)
    run_folder.read()
    with run_folder.locked():
        return _resume(run_folder, budget, data_options, device, reporter, check)


def _resume(
    run_folder: RunFolder,
    budget: Budget | None,
    data_options: Mapping[str, Any] | None,
    device: str,
    reporter: Reporter | None,
    check: bool,
) -> RunRecord:
    record = run_folder.read()
    before = Budget(**record.budget)
    budget = budget or before
    if (before.steps is None) != (budget.steps is None):
        raise OptionError(f"the run's budget is {before}; give the new one in the same unit, not as {budget}")
    where = prepare_device(device)
    then = record.provenance or _provenance_of_model(run_folder)
    installed = default_registry()
    refuse_revisions(then, installed, str(run_folder.path), "was trained", NEW_RUN)
    registry = then.bind(installed)
    data = load_run_data(record, data_options, unchanged=("train", "validation"))
    dataset = data.dataset
    record = replace(record, data_options=to_jsonable_python(data.options, fallback=plain_number))
    if not data.changes and not record.data_report.revisions:  # a record of an older version
        record = replace(record, data_report=_report(dataset))
    flow = _create(record, dataset, where, registry)
    assert flow.recipe is not None, "assembled models have recipes"
    keys = dict.fromkeys([*then.revisions, *flow.recipe.revisions, f"dataset:{record.data}"])
    record = replace(
        _with_provenance(record, then, provenance_of(registry, keys), run_folder),
        budget={"steps": budget.steps, "seconds": budget.seconds},
    )
    trainer = _trainer(record, flow, dataset, run_folder, reporter, registry)
    if trainer.stages > 1 and budget != before:
        raise OptionError(
            f"the stages of this training had their shares of {before}, which cannot be changed afterwards; "
            "start a new run"
        )
    trainer.restore(then if check else None)
    return _train(trainer, run_folder, record)


def _provenance_of_model(folder: RunFolder) -> Provenance:
    """Return what is known of a run from before records said it: what its best model was made with."""
    return saved_provenance(folder.model) if folder.model.exists() else Provenance()


def _with_provenance(record: RunRecord, then: Provenance, now: Provenance, folder: RunFolder) -> RunRecord:
    """Return the record of a run that goes on with what is installed now; say which versions are others."""
    others = changes(then, now, files=False)
    if not others:
        return replace(record, provenance=now)
    _LOGGER.warning("%s was trained with %s", folder.path, ", ".join(others))
    return replace(record, provenance=now, earlier_versions=(*record.earlier_versions, then.versions))


def _report(dataset: Dataset) -> DataReport:
    """Return what loading a data set alone says of it."""
    info = dataset.info
    return DataReport(dict(info.sizes), dict(info.revisions), dict(info.skipped), dict(info.changed))


def _create(
    record: RunRecord, dataset: Dataset, device: torch.device, registry: Registry, scoring: bool = False
) -> Flow:
    info = dataset.info
    return assemble(
        registry, record.model, info.shape, info.bins, record.pixels, record.seed, record.options, scoring
    ).to(device)


def _trainer(
    record: RunRecord,
    flow: Flow,
    dataset: Dataset,
    folder: RunFolder,
    reporter: Reporter | None,
    registry: Registry,
) -> Trainer:
    return Trainer(
        flow,
        lambda: _create(record, dataset, flow.device, registry, scoring=True),
        dataset,
        folder,
        parse_training_options(record.training),
        Budget(**record.budget),
        record.seed,
        reporter or SilentReporter(),
        record.fingerprint,
    )


def _train(trainer: Trainer, folder: RunFolder, record: RunRecord) -> RunRecord:
    record = replace(record, first_validation=trainer.first_validation)

    def note(status: Literal["running", "finished"], steps: int, seconds: float) -> RunRecord:
        noted = replace(record, status=status, steps=steps, seconds=round(seconds, 3))
        folder.write(noted)
        return noted

    note("running", record.steps, record.seconds)
    result = trainer.train(lambda position: note("running", position.step, position.seconds))
    return note("finished", result.steps, result.seconds)
