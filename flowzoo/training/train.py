"""``flowzoo.train``: a model and images in, the trained model out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic_core import to_jsonable_python

from flowzoo.data.dataset import Dataset
from flowzoo.data.given import IN_MEMORY, Data, as_dataset
from flowzoo.device import prepare_device
from flowzoo.errors import OptionError
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.experiment import Experiment
from flowzoo.experiment.log_options import log_options
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.files import as_path
from flowzoo.flow import Flow
from flowzoo.integers import plain_number
from flowzoo.loading import is_run, refuse_other_images
from flowzoo.mappings import names_to_values
from flowzoo.registry.models import create_model
from flowzoo.runfolder import RunFolder
from flowzoo.seeds import check_seed
from flowzoo.training.apart.levels_apart import Apart, require_no_other_order
from flowzoo.training.reporter import Progress, Reporter
from flowzoo.training.resume import resume_run
from flowzoo.training.start import train_into


def train(
    model: str | Flow,
    data: Data,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    device: str | None = None,
    workers: int = 0,
    resume: bool = False,
    progress: Callable[[Progress], object] | None = None,
    log: str | Iterable[str] | None = None,
    log_samples: int | None = None,
    parallel: Literal["levels"] | None = None,
    jobs: int | None = None,
    grow: str | os.PathLike[str] | None = None,
) -> Flow:
    """Train a model as ``flowzoo train`` does.

    >>> model = train("gaussian", "digits", steps=1, training={"validation_images": 8})
    >>> model.sample(16).shape
    torch.Size([16, 1, 8, 8])

    Args:
        model: The name of a model; or a model that :func:`flowzoo.create_model` or :func:`flowzoo.load_model`
            made, which is trained in place, from the weights that it has.
        data: The name of a data set, a folder of images as a ``Path``, what :func:`flowzoo.load_dataset`
            returns, or images in memory: an array or a tensor ``(N, C, H, W)``, uint8, which is divided into
            splits, or a mapping of ``train``, ``test`` and perhaps ``validation`` to such.
        steps: How long to train, in steps. Give either steps or seconds.
        seconds: How long to train, in seconds.
        out: The run folder to write: the model, the log and the checkpoints. It is new or empty. Without it,
            nothing is kept but the model that is returned.
        seed: Seed of the weights, of the noise and of the order of the data.
        options: Options of the model where its name is given, ``pixels`` among them, as
            :func:`flowzoo.create_model` takes them.
        training: Options of the training that differ from their defaults, such as ``{"batch_size": 128}``.
        device: ``auto``, ``cpu``, ``cuda``, ...; by default ``auto`` for a name, and where it is for a model.
        workers: Number of processes that read images ahead. They change nothing but the time.
        resume: Go on with the run in ``out``, which the same call began, with the same images; begin it if
            there is none. The budget may be larger now.
        progress: Called with a :class:`~flowzoo.training.reporter.Progress` after every step.
        log: A log in the run folder besides its own, or several: ``csv``, ``tensorboard`` or ``wandb``. It
            needs ``out``, and changes no weights. With ``resume``, by default the run's own.
        log_samples: Draw samples into ``out`` with every N-th validation; 0 for none. By default with each
            one while drawing takes a tenth of the time at most, if there is a log.
        parallel: ``levels`` trains the levels at the same time, each in a process of its own. The weights are
            those of ``training={"order": "separately"}``, which it sets. The data set is given by name.
        jobs: Number of levels that train at the same time; by default one a level, as far as there are cores.
        grow: A trained model of smaller images, as :func:`flowzoo.load_model` takes it. Its levels become the
            coarse levels of this model, which has more, and only the finer levels train.

    Returns:
        The model with the weights of its best validation.

    Raises:
        OptionError: An option is unknown or out of range, or the model was not made by name.
        FlowzooError: A name, the data or the folder is not right. The folder stays as it was.
        NumericalError: The loss is not finite.
    """
    budget = Budget(steps=steps, seconds=seconds)
    logs = log_options(log, log_samples)
    if out is None and (logs.writers or logs.draws_samples):
        raise OptionError("logs are kept in the run folder. Name it, out=..., or leave the log out")
    apart = None if parallel is None else Apart(jobs, device or "auto")
    given = names_to_values(training, "training")
    if apart is not None:
        require_no_other_order(given)
        given = {**given, "order": "separately"}
    training_options = parse_training_options(given)
    dataset = as_dataset(data, bins=model.bins if isinstance(model, Flow) else 256)
    flow = _made(model, dataset, check_seed(seed), names_to_values(options, "options"))
    if device is not None or not isinstance(model, Flow):
        flow = flow.to(prepare_device(device or "auto"))
    refuse_other_images(flow, dataset)
    recipe, source = flow.recipe, dataset.recipe
    assert recipe is not None, "models made by name have recipes"
    experiment = Experiment(
        model=recipe.model,
        data=IN_MEMORY if source is None else source.name,
        budget=budget,
        options=recipe.options,
        pixels=recipe.pixels,
        data_options=to_jsonable_python(_options_of(dataset), fallback=plain_number),
        training=training_options,
        seed=seed,
    )
    reporter = _Calling(progress)
    run = _begun(out, experiment, dataset) if resume else None
    if run is not None and isinstance(model, Flow) and not RunFolder(run).checkpoint.exists():
        raise OptionError(
            f"the run in {out} ended before its first checkpoint, so the weights that your model had are not "
            "in it. Delete the folder, and call train again"
        )
    if run is not None:
        where = str(flow.device)
        resume_run(
            run,
            budget=budget,
            dataset=dataset,
            device=where,
            workers=workers,
            reporter=reporter,
            log=log,
            samples_every=log_samples,
            apart=apart if RunFolder(run).levels.exists() else None,
        )
        flow.load_state_dict(RunFolder(run).load_model(where).state_dict())
        return flow
    with tempfile.TemporaryDirectory() if out is None else nullcontext(out) as folder:
        train_into(
            as_path(folder),
            experiment,
            flow,
            dataset,
            workers=workers,
            reporter=reporter,
            log=logs,
            apart=apart,
            grow_from=None if grow is None else os.fspath(grow),
        )
    return flow


def _begun(out: str | os.PathLike[str] | None, experiment: Experiment, dataset: Dataset) -> Path | None:
    """Return the run to go on with, if there is one; refuse one of another experiment."""
    if out is None:
        raise OptionError("resume=True goes on with a run. Name its folder: out=...")
    if not is_run(out):
        return None
    run = as_path(out)
    before = RunFolder(run).read().experiment
    now = replace(experiment, data_revision=dataset.info.revision)
    if before.data_revision == now.data_revision and before.fingerprint != now.fingerprint:
        names = ("model", "options", "pixels", "data", "training", "seed")
        other = [each for each in names if getattr(before, each) != getattr(now, each)]
        raise OptionError(
            f"the run in {out} was begun with other settings ({', '.join(other)}). Give the same ones to go "
            "on with it, or another folder to begin a new run"
        )
    return run


def _options_of(dataset: Dataset) -> Mapping[str, Any]:
    """Return a data set's options; of one that was made of arrays, what training depends on."""
    if dataset.recipe is not None:
        return dataset.recipe.options
    return {"flips": True} if dataset.info.flips else {}


def _made(model: str | Flow, dataset: Dataset, seed: int, options: Mapping[str, Any]) -> Flow:
    if isinstance(model, Flow):
        if options:
            raise OptionError("options are those of a model that is given by name; leave them out")
        if model.recipe is None:
            raise OptionError(
                "flowzoo.train takes a model that create_model or load_model made. Train one that you put "
                "together yourself in a loop of your own, with model.training_loss"
            )
        return model
    info = dataset.info
    return create_model(model, info.shape, bins=info.bins, seed=seed, **{"pixels": info.pixels, **options})


class _Calling(Reporter):
    def __init__(self, progress: Callable[[Progress], object] | None) -> None:
        self._progress = progress

    def update(self, progress: Progress) -> None:
        if self._progress is not None:
            self._progress(progress)
