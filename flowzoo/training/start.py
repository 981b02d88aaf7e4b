"""Starting a run, or going on with one: from names and options to a trained model in a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flowzoo.data.dataset import Dataset
from flowzoo.data.load import load_dataset
from flowzoo.device import prepare_device
from flowzoo.errors import DataError, OptionError, SavedModelError, did_you_mean
from flowzoo.registry.models import create_model
from flowzoo.runfolder import RunFolder, RunRecord
from flowzoo.training.budget import Budget
from flowzoo.training.options import TrainingOptions
from flowzoo.training.reporter import Reporter
from flowzoo.training.trainer import Trainer


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

    Returns:
        The finished run's record.

    Raises:
        FlowzooError: A name, an option, the data or the folder is not right; nothing is written then.
    """
    training_options = parse_training_options(training or {})
    dataset = load_dataset(data, **(data_options or {}))
    record = RunRecord(
        model=model,
        options=dict(options or {}),
        pixels=pixels if pixels is not None else dict(dataset.info.pixels),
        data=data,
        data_options=dict(data_options or {}),
        data_revision=dataset.info.revision,
        training=training_options.model_dump(),
        budget={"steps": budget.steps, "seconds": budget.seconds},
        seed=seed,
    )
    trainer_folder = RunFolder(folder)
    return _train(trainer_folder, record, dataset, device, reporter, resume=False)


def resume_run(
    folder: Path | str,
    *,
    budget: Budget | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> RunRecord:
    """Go on with a run that was interrupted, or that is to be trained for longer.

    Args:
        folder: Of the run.
        budget: A new total budget, in the unit of the old one; by default the run's own.
        device: As :func:`~flowzoo.device.prepare_device` takes it.
        reporter: Is told of every step.

    Raises:
        FlowzooError: The folder holds no run, or what it needs has changed since.
    """
    run_folder = RunFolder(folder)
    record = run_folder.read()
    if budget is not None:
        record = replace(record, budget={"steps": budget.steps, "seconds": budget.seconds})
    dataset = load_dataset(record.data, **record.data_options)
    if dataset.info.revision != record.data_revision:
        raise DataError(
            f"the run was started on revision {record.data_revision} of {record.data}, and this is "
            f"{dataset.info.revision}: the images differ; start a new run"
        )
    return _train(run_folder, record, dataset, device, reporter, resume=True)


def parse_training_options(given: Mapping[str, Any]) -> TrainingOptions:
    """Check the trainer's options.

    Raises:
        OptionError: One is unknown, of the wrong type or out of range.
    """
    known = TrainingOptions.model_fields
    for name in given:
        if name not in known:
            raise OptionError(
                f"no training option '{name}'{did_you_mean(name, known)} known: {', '.join(known)}"
            )
    try:
        return TrainingOptions(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise OptionError(f"training.{name}={first['input']!r}: {first['msg']}") from error


def _train(
    folder: RunFolder,
    record: RunRecord,
    dataset: Dataset,
    device: str,
    reporter: Reporter | None,
    resume: bool,
) -> RunRecord:
    target = prepare_device(device)
    flow = create_model(
        record.model,
        dataset.info.shape,
        bins=dataset.info.bins,
        pixels=record.pixels,
        seed=record.seed,
        **record.options,
    ).to(target)
    budget = Budget(**record.budget)
    options = parse_training_options(record.training)
    trainer = Trainer(flow, dataset, folder, options, budget, record.seed, reporter)
    if resume:
        _require_same_unit(folder, budget)
    else:
        folder.create()
    record = replace(record, status="running")
    folder.write(record)
    result = trainer.train(resume)
    record = replace(record, status="finished", steps=result.steps, seconds=round(result.seconds, 3))
    folder.write(record)
    return record


def _require_same_unit(folder: RunFolder, budget: Budget) -> None:
    before = Budget(**folder.read().budget)
    if (before.steps is None) != (budget.steps is None):
        raise SavedModelError(
            f"the run's budget is {before}; give the new one in the same unit, not as {budget}"
        )
