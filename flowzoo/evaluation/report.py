"""Measures a trained model on images, and returns a record of the result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Unpack

from pydantic import TypeAdapter
from torch import Tensor

from flowzoo.data.given import Data
from flowzoo.data.inspection import inspect_split
from flowzoo.data.read_ahead import read_ahead
from flowzoo.evaluation.density.audit import SECONDS
from flowzoo.evaluation.floor import Floor, measure_floor
from flowzoo.evaluation.image_bits import ImageBits, ImageConditions, split_revision
from flowzoo.evaluation.labels import AUDIT_SHARE, GivenClass, evaluate_given_class, has_labels
from flowzoo.evaluation.likelihood import Likelihood, Measuring, evaluate_likelihood
from flowzoo.evaluation.measured_images import trained_on
from flowzoo.evaluation.observer import SILENT, Observer
from flowzoo.evaluation.older_records import with_exactness, without_density_audit, without_solver_audit
from flowzoo.files import write_json
from flowzoo.flow import Flow
from flowzoo.formats import Format, FormatError
from flowzoo.loading import load_subject
from flowzoo.rundata import RunData
from flowzoo.runfolder import DataReport, RunFolder

FORMAT = Format(
    "schema",
    4,
    "Evaluate again",
    {1: without_solver_audit, 2: without_density_audit, 3: with_exactness},
)


@dataclass(frozen=True, kw_only=True)
class Evaluation(Likelihood):
    """The bits/dim of a model, with the model, the data and the conditions.

    Attributes:
        schema: Version of this record.
        model: Registered name.
        data: Registered name of the data set.
        data_revision: Its content hash: the run's, or today's if the images of this split have changed since.
        data_notes: How these images differ from those that the run was started on; empty if they do not. The
            figure is one of other images, and is to be compared with figures of the same revision alone.
        split: The split that was measured.
        bins: ``M``, integers that a value can take; ``n = log2 M``.
        pixels: The pixel transform.
        gaussian_bits_per_dim: Bits/dim of the closed-form Gaussian with the same pixels on the same images,
            or None.
        gaussian_standard_error: Standard error of the Gaussian's bits/dim.
        gaussian_remark: Why there is no such figure, or what makes it a weak floor; empty if it is sound.
        training_steps: Steps of the run so far; the model is that of its best validation. None for a model
            without a run.
        training_seconds: Seconds of the run so far; None for a model without a run.
        split_images: How many images the split has; more than ``images`` where only the first were used. None
            in records of older versions.
        flips: Whether training mirrored each image with probability 1/2. None of these images was mirrored.
        given_class: For a model with classes on images with labels: bits/dim given the class, and how often
            the class is found. The other figures are those of images without labels.
    """

    schema: int
    model: str
    data: str
    data_revision: str
    split: str
    bins: int
    pixels: Mapping[str, Any]
    gaussian_bits_per_dim: float | None
    gaussian_standard_error: float | None
    gaussian_remark: str
    training_steps: int | None
    training_seconds: float | None
    data_notes: tuple[str, ...] = ()
    split_images: int | None = None
    flips: bool = False
    given_class: GivenClass | None = None


def evaluate(
    model: str | os.PathLike[str] | Flow,
    data: Data | None = None,
    split: str = "test",
    *,
    images: int | None = None,
    floor: bool = True,
    labels: bool = True,
    device: str = "auto",
    cache: bool = True,
    workers: int = 0,
    data_options: Mapping[str, Any] | None = None,
    observer: Observer[Evaluation, ImageBits] = SILENT,
    **measuring: Unpack[Measuring],
) -> Evaluation:
    """Measure the bits/dim of a model, as ``flowzoo evaluate`` does; :func:`write_evaluation` keeps them.

    Args:
        model: A model, a run folder or a saved model.
        data: The name of a data set, what :func:`flowzoo.load_dataset` returns, an array or a tensor of
            images, ``(N, C, H, W)``, uint8, which are all evaluated, or such by split. By default, the data
            set of the run.
        split: ``train``, ``validation`` or ``test``.
        images: Use only the first N images.
        floor: Fit the Gaussian floor too (:mod:`flowzoo.evaluation.floor`). Where that fails, the record says
            why.
        labels: For a model with classes on images with labels: measure the bits/dim given the class too, and
            how often the class is found. It costs a pass for every class, and the density given the class is
            audited too.
        device: A device, as :func:`~flowzoo.device.prepare_device` takes it. A model in memory stays where it
            is.
        cache: Use a floor that was fitted for another run on the same data, and keep a new one.
        workers: Number of processes that read images ahead; they change nothing but the time.
        data_options: Options of the data set that is named; without ``data``, where the files of the run are
            now.
        observer: Follows the evaluation, for example to show how far it is.
        **measuring: How images are measured: ``importance_samples``, ``exact``, ``batch_size``, ``seed``,
            ``audit`` and ``audit_seconds``, as in
            :func:`~flowzoo.evaluation.likelihood.evaluate_likelihood`.

    Raises:
        SavedModelError: The folder holds no model.
        DataError: The images cannot be loaded; or they differ from those that the run was started on, and
            its record does not show in which split.
        OptionError: An option is out of range, or does not fit the model.
    """
    subject = load_subject(model, data, data_options, device)
    flow, run, record = subject.flow, subject.data, subject.record
    dataset, recipe = read_ahead(run.dataset, workers, pin=flow.device.type == "cuda"), flow.recipe
    source = dataset.split(split)
    asked = None if record is None or data is not None else record.experiment
    revision = dataset.info.revision
    if asked is None or split in run.changes:
        inspect_split(dataset, split)
    else:  # it was inspected when training began
        revision = asked.data_revision

    def record_of(found: Likelihood, gaussian: Floor, given: GivenClass | None = None) -> Evaluation:
        return Evaluation(
            schema=FORMAT.version,
            model=type(flow).__name__ if recipe is None else recipe.model,
            data=dataset.info.name if asked is None else asked.data,
            data_revision=revision,
            split=split,
            bins=flow.bins,
            pixels={} if recipe is None else recipe.pixels,
            **vars(found),
            gaussian_bits_per_dim=gaussian.bits_per_dim,
            gaussian_standard_error=gaussian.standard_error,
            gaussian_remark=gaussian.remark,
            training_steps=None if record is None else record.steps,
            training_seconds=None if record is None else record.seconds,
            data_notes=_notes(run, split, gaussian.bits_per_dim is not None),
            split_images=len(source),
            flips=record is not None and record.experiment.flips,
            given_class=given,
        )

    def note(found: Likelihood, bits: Tensor) -> None:
        made_of = ImageConditions(
            split=split,
            images_revision=split_revision(dataset.info, split),
            bins=flow.bins,
            seed=found.seed,
            importance_samples=found.importance_samples,
            trace=found.trace,
            weights=subject.weights,
        )
        observer.measured(record_of(found, Floor(None, None)), ImageBits(bits, made_of))

    watched = Observer(
        images=observer.images,
        solver_audit=observer.solver_audit,
        audit=observer.audit,
        measured=note,
    )
    found = evaluate_likelihood(flow, source, limit=images, observer=watched, **measuring)
    if record is not None:
        found = _judged_by_splits(found, record.data_report, split, flow)
    gaussian = Floor(None, None)
    if floor and recipe is None:
        gaussian = Floor(None, None, "not fitted: the pixel transform of this model has no name")
    elif floor and "train" not in dataset.splits:
        gaussian = Floor(None, None, "not fitted: there are no images to train on")
    elif floor and recipe is not None and recipe.model != "gaussian":
        gaussian = measure_floor(
            dataset,
            recipe.pixels,
            split,
            images=images,
            importance_samples=found.importance_samples,
            seed=found.seed,
            cached=cache,
            progress=observer.floor,
        )
    given = None
    if labels and has_labels(flow, dataset, split):
        given = evaluate_given_class(
            flow,
            dataset,
            split,
            exact=bool(measuring.get("exact")),
            limit=images,
            batch_size=measuring.get("batch_size", 100),
            seed=found.seed,
            audit=measuring.get("audit", True),
            audit_seconds=AUDIT_SHARE * measuring.get("audit_seconds", SECONDS),
            progress=observer.labels,
            audit_progress=observer.labels_audit,
        )
    return record_of(found, gaussian, given)


def _judged_by_splits(found: Likelihood, report: DataReport, split: str, flow: Flow) -> Likelihood:
    return found.objected(*trained_on(report.shared, report.sizes, split, flow.image_shape, flow.bins))


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write an evaluation as JSON.

    Args:
        evaluation: What was found.
        path: The file; :func:`evaluation_file` returns where a run keeps it.

    Raises:
        FileError: It cannot be written.
    """
    write_json(path, asdict(evaluation))


def read_evaluation(path: Path) -> Evaluation:
    """Return the evaluation that a file holds, whichever flowzoo wrote it.

    Args:
        path: The file.

    Raises:
        FormatError: It is damaged, or a newer flowzoo wrote it.
        OSError: It cannot be opened.
    """
    try:
        return FORMAT.read_file(path, _EVALUATION)
    except FormatError as error:
        raise FormatError(f"{path} {error}") from error


def evaluation_file(run: Path | str, split: str, chosen: Mapping[str, Any] | None = None) -> Path:
    """Return where a run keeps an evaluation.

    Each choice that differs from the usual evaluation is part of the name, so that an evaluation of a few
    images does not replace that of the whole split.

    Args:
        run: The run folder.
        split: The split.
        chosen: Options that were chosen, by name; None and False stand for the usual choice.

    >>> evaluation_file("run", "test").name, evaluation_file("run", "test", {"images": 20, "seed": 1}).name
    ('evaluation-test.json', 'evaluation-test-images20-seed1.json')
    """
    parts = [
        name if value is True else f"{name}{value}"
        for name, value in (chosen or {}).items()
        if value is not None and value is not False
    ]
    return RunFolder(run).path / f"{'-'.join(['evaluation', split, *parts])}.json"


def _notes(data: RunData, split: str, has_floor: bool) -> tuple[str, ...]:
    """Return how the images differ from those that the run was started on."""
    rests_on = {split: ""} | ({"train": " (the floor is fitted to them)"} if has_floor else {})
    return tuple(
        data.changes[each] + (remark if each != split else "")
        for each, remark in rests_on.items()
        if each in data.changes
    )


_EVALUATION = TypeAdapter(Evaluation)
