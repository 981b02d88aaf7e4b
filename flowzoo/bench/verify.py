"""Verifies recorded figures: loads each model that was kept, and measures the same images again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from flowzoo.bench.artefacts import faults as faults_of_files
from flowzoo.bench.artefacts import model_folder
from flowzoo.bench.cell import Cell, cells_of
from flowzoo.bench.environment import describe_environment
from flowzoo.bench.kept import changed_since, made_with
from flowzoo.bench.kept_bits import KeptBits, read_kept_bits
from flowzoo.bench.result import QUALITY, Result
from flowzoo.bench.revision import described_metric
from flowzoo.bench.suites import find_suite
from flowzoo.bench.verification import Verification
from flowzoo.data.dataset import Dataset
from flowzoo.data.load import load_dataset
from flowzoo.device import prepare_device
from flowzoo.digest import digest_of_file
from flowzoo.errors import FlowzooError
from flowzoo.evaluation.image_bits import split_revision
from flowzoo.evaluation.likelihood import Likelihood, evaluate_likelihood
from flowzoo.evaluation.observer import Observer
from flowzoo.flow import Flow
from flowzoo.recipe import Recipe
from flowzoo.registry.added import with_added
from flowzoo.registry.loader import default_registry
from flowzoo.registry.provenance import provenance_of
from flowzoo.registry.saving import load_model

MEAN = 1e-3
"""Largest mean difference, bits/dim, that rounding on another machine may make."""

SINGLE = 1e-2
"""Largest difference of one image, bits/dim."""

Count = Callable[[int, int], None]


def verify(
    path: Path,
    result: Result,
    *,
    images: int | None = None,
    by: str = "",
    device: str = "auto",
    data_options: Mapping[str, Any] | None = None,
    count: Count = lambda done, total: None,
) -> Verification:
    """Verify one record.

    Its files must be those that were measured, its key must follow from what it states, and its data set must
    hold the same images. Its model must be the one that the record describes, give the bits/dim that were
    kept when it is measured again with the same noise, and pass the density audit.

    Args:
        path: File of the record.
        result: The record.
        images: Measure the first N images only.
        by: Who verifies.
        device: As :func:`~flowzoo.device.prepare_device` takes it.
        data_options: Options of the data set that say where its files are.
        count: Called with the number of images that are measured, and of all.
    """
    chosen = prepare_device(device)
    installed = provenance_of(default_registry(), result.components)
    environment = describe_environment(chosen, result.experiment.training.precision, 1, installed)
    cell, kept = _cell_of(result), read_kept_bits(path.parent, result)
    found = Verification(
        record=digest_of_file(path),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        by=by,
        versions={**environment.versions, **environment.plugins},
        images=0,
        mean=None,
        largest=None,
        faults=tuple(_faults_before(path, result, cell, kept)),
    )
    if found.faults or kept is None:
        return found
    try:
        dataset = load_dataset(result.data.name, **{**result.experiment.data_options, **(data_options or {})})
        flow = load_model(model_folder(path), device=str(chosen))
        wrong = [*_faults_of_data(dataset, result, kept), *_faults_of_model(flow, result)]
        if wrong:
            return replace(found, faults=tuple(wrong))
        measured, bits = _measure(flow, dataset, result, kept, cell, images, count)
    except Exception as problem:  # any exception of a model is a finding about it
        reason = " ".join(str(problem).split()) or type(problem).__name__
        return replace(found, faults=(f"it cannot be measured again: {reason:.300}", *_changed(result, cell)))
    gaps = bits - torch.as_tensor(kept.values[: len(bits)])
    mean, largest = float(gaps.mean()), float(gaps.abs().max())
    wrong = [*_faults_of_figure(mean, largest, len(bits)), *_faults_of_audit(measured)]
    if wrong:
        wrong += _changed(result, cell)
    return replace(found, images=len(bits), mean=mean, largest=largest, faults=tuple(wrong))


def can_be_verified(result: Result) -> bool:
    """Whether a record has a figure, and keeps the weights that it is of."""
    measured = result.metrics.get(QUALITY)
    return bool(result.files) and measured is not None and measured.value is not None and measured.valid


def _faults_before(path: Path, result: Result, cell: Cell | None, kept: KeptBits | None) -> Iterator[str]:
    """Yield what is wrong before anything is measured."""
    wrong = faults_of_files(path, result.files)
    yield from wrong
    if not wrong and kept is None:
        yield "the bits/dim of its images are missing, damaged, or have another mean than the record's figure"
    yield from _faults_of_revisions(result)
    key = None if cell is None else _key(result, cell)
    if key is not None and key != result.key:
        yield f"its key is {result.key}, but what it states has the key {key}: it was edited"


def _faults_of_revisions(result: Result) -> Iterator[str]:
    registry = default_registry()
    for name, revision in result.components.items():
        kind, _, component = name.partition(":")
        try:
            now = registry.find(kind, component).revision  # type: ignore[arg-type]  # a record's kind
        except FlowzooError as problem:
            yield f"it cannot be verified here: {problem}"
            continue
        if now != revision:
            yield f"it cannot be verified here: {name} has revision {now}, and it was made with {revision}"


def _key(result: Result, cell: Cell) -> str | None:
    """Return the key of what a record states; None if its suite has changed."""
    if cell.suite_revision != result.suite_revision or result.environment is None:
        return None
    data = result.data
    return result.experiment.key(
        components=result.components,
        data=[data.name, data.revision, data.shape, data.bins],
        metrics=[described_metric(label, *asked) for label, asked in cell.metrics.items()],
        device=result.platform[0],
        threads=cell.threads,
    )


def _faults_of_data(dataset: Dataset, result: Result, kept: KeptBits) -> Iterator[str]:
    if dataset.info.revision != result.data.revision:
        yield (
            f"the data set {result.data.name} has revision {dataset.info.revision[:12]} here, and the record "
            f"{result.data.revision[:12]}: these are other images"
        )
        return
    split = str(result.metrics[QUALITY].conditions.get("split", ""))
    if kept.conditions.split != split:
        yield f"the record states the split '{split}', and its bits/dim are of '{kept.conditions.split}'"
    elif split_revision(dataset.info, split) != kept.conditions.images_revision:
        yield f"the bits/dim that were kept are of other images than those of the split '{split}'"
    images = result.metrics[QUALITY].conditions.get("images")
    if images != len(kept.values):
        yield f"the record states {images} images, and the bits/dim of {len(kept.values)} were kept"


def _faults_of_model(flow: Flow, result: Result) -> Iterator[str]:
    recipe = flow.recipe
    if recipe is None or not _is_of(recipe, result):
        yield "the model that was kept is another one than the record describes"


def _is_of(recipe: Recipe, result: Result) -> bool:
    return (
        recipe.model == result.model
        and dict(recipe.options)
        == dict(with_added(default_registry(), "model", result.model, result.options))
        and dict(recipe.pixels) == dict(result.pixels)
        and tuple(recipe.image_shape) == tuple(result.data.shape)
        and recipe.bins == result.data.bins
    )


def _measure(
    flow: Flow,
    dataset: Dataset,
    result: Result,
    kept: KeptBits,
    cell: Cell | None,
    images: int | None,
    count: Count,
) -> tuple[Likelihood, torch.Tensor]:
    measured = result.metrics[QUALITY]
    options = {} if cell is None else cell.metrics[QUALITY][1]
    bits: list[torch.Tensor] = []
    found = evaluate_likelihood(
        flow,
        dataset.split(kept.conditions.split),
        importance_samples=int(measured.conditions.get("draws", 1)),
        exact=options.get("exact"),
        limit=min(images or len(kept.values), len(kept.values)),
        batch_size=int(options.get("batch_size", 100)),
        seed=kept.conditions.seed,
        observer=Observer(images=count, measured=lambda before, values: bits.append(values)),
    )
    return found, bits[0]


def _cell_of(result: Result) -> Cell | None:
    """Return the cell of a record; None if its suite is not here or has no such row."""
    try:
        cells = cells_of(find_suite(result.suite))
    except FlowzooError:
        return None
    wanted = result.label, result.data.title
    return next((cell for cell in cells if (cell.label, cell.data_label) == wanted), None)


def _faults_of_figure(mean: float, largest: float, images: int) -> Iterator[str]:
    if abs(mean) > MEAN or largest > SINGLE:
        yield (
            f"measured again, {images} images differ by {mean:+.4f} bits/dim on average and by up to "
            f"{largest:.4f}; rounding may make {MEAN:g} and {SINGLE:g}"
        )


def _faults_of_audit(measured: Likelihood) -> Iterator[str]:
    if not measured.valid:
        yield f"measured again, it is not a valid likelihood: {'; '.join(measured.objections)}"


def _changed(result: Result, cell: Cell | None) -> list[str]:
    """Return what may explain a difference: code that changed though its revision did not."""
    changed = "" if cell is None else changed_since(result, made_with(cell, result))
    return [f"since then the code has changed without a new revision: {changed}"] if changed else []
