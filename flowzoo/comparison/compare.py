"""Comparing trained runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flowzoo.comparison.curves import CurvePoint, validation_curve
from flowzoo.comparison.paired import PairedDifference, paired_difference
from flowzoo.comparison.settings import differing_settings
from flowzoo.data.dataset import SPLITS
from flowzoo.errors import OptionError, UnknownNameError, did_you_mean
from flowzoo.evaluation.image_bits import ImageBits, ImageConditions, bits_file, read_bits
from flowzoo.evaluation.observer import Observer
from flowzoo.evaluation.report import evaluate, evaluation_file, read_evaluation
from flowzoo.experiment.budget import Budget
from flowzoo.formats import FormatError
from flowzoo.integers import positive_integer
from flowzoo.registry.saving import weights_digest
from flowzoo.runfolder import RunFolder, RunRecord

IMAGES = 200
"""Images to compare on, unless the evaluations of all runs kept the bits/dim of their images."""

Counting = Callable[[str], Callable[[int, int], object]]
"""Takes the name of what is counted, and returns a function that gets the number done and of all."""


@dataclass(frozen=True)
class TestFigure:
    """What ``flowzoo evaluate`` found for a run.

    Attributes:
        bits_per_dim: The figure.
        standard_error: Its standard error.
        valid: Whether it may be ranked.
        images: Number of images on which it was measured.
    """

    bits_per_dim: float
    standard_error: float | None
    valid: bool
    images: int


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs.

    Attributes:
        run: The run folder.
        model: Registered name of the model.
        data: Registered name of the data set.
        data_revision: Content hash of the images of the split that is compared.
        budget: How long it was to train.
        finished: Whether the budget was used up.
        steps: Training steps taken.
        seconds: Seconds spent.
        best_validation: Lowest bits/dim of a validation; None without a curve.
        curve: Its validations.
        curve_remark: Why it has no curve.
        test: What ``flowzoo evaluate`` found. None if it has not been evaluated.
        test_remark: Why its evaluation cannot be read; empty if it can.
        difference: How it differs from the first run on the same images; None for the first run.
        not_paired: Why there is no difference.
    """

    run: str
    model: str
    data: str
    data_revision: str
    budget: Budget
    finished: bool
    steps: int
    seconds: float
    best_validation: float | None
    curve: tuple[CurvePoint, ...]
    curve_remark: str
    test: TestFigure | None
    test_remark: str
    difference: PairedDifference | None = None
    not_paired: str = ""


@dataclass(frozen=True)
class RunComparison:
    """A comparison of runs.

    Attributes:
        split: The split whose images are compared.
        runs: The runs. Differences are to the first.
        settings: Settings that differ, with their value in each run.
        warnings: What to keep in mind when the runs are compared.
    """

    split: str
    runs: tuple[ComparedRun, ...]
    settings: Mapping[str, tuple[Any, ...]]
    warnings: tuple[str, ...]


def compare_runs(
    paths: Sequence[Path | str],
    split: str = "test",
    *,
    images: int | None = None,
    pair: bool = True,
    data_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    counting: Counting = lambda what: lambda done, total: None,
) -> RunComparison:
    """Compare runs: what they reached, how their settings differ, and how they differ on the same images.

    Every image's noise is seeded by its place in the split, so all models see the same noisy images. What
    ``flowzoo evaluate`` kept of each image is used where it fits; what is missing is measured.

    Args:
        paths: Two or more run folders, or evaluations inside them. The first is the reference.
        split: Images to compare on: ``train``, ``validation`` or ``test``.
        images: Compare on the first N images only. By default as many as all evaluations kept, or
            :data:`IMAGES` if a run has kept none.
        pair: Whether to compare image by image.
        data_options: Options of the data set that say where its files are now, if they have moved.
        device: As :func:`~flowzoo.device.prepare_device` takes it.
        counting: Shows the progress of measuring.

    Raises:
        SavedModelError: A folder holds no run.
        OptionError: There are fewer than two runs, or an option is out of range.
    """
    if len(paths) < 2:
        raise OptionError("one run cannot be compared. Give two or more run folders.")
    if split not in SPLITS:
        hint = did_you_mean(split, SPLITS) or ";"
        raise UnknownNameError(f"there is no split '{split}'{hint} splits: {', '.join(SPLITS)}")
    images = None if images is None else positive_integer("images", images)
    folders = [RunFolder(_folder_of(Path(path))) for path in paths]
    records = [folder.read() for folder in folders]
    runs = [_described(folder, record, split) for folder, record in zip(folders, records, strict=True)]
    if pair:
        runs = _paired(folders, records, runs, split, images, data_options or {}, device, counting)
    return RunComparison(
        split=split,
        runs=tuple(runs),
        settings=differing_settings([record.experiment for record in records]),
        warnings=tuple(_warnings(records, runs, split)),
    )


def _folder_of(path: Path) -> Path:
    """Return the run folder of a path, which may be an evaluation that was saved in it."""
    return path.parent if path.is_file() and path.suffix == ".json" else path


def _described(folder: RunFolder, record: RunRecord, split: str) -> ComparedRun:
    curve, remark = validation_curve(folder)
    test, test_remark = _test_figure(folder, split)
    return ComparedRun(
        run=str(folder.path),
        model=record.experiment.model,
        data=record.experiment.data,
        data_revision=_revision(record, split),
        budget=record.experiment.budget,
        finished=record.status == "finished",
        steps=record.steps,
        seconds=record.seconds,
        best_validation=min((point.bits_per_dim for point in curve), default=None),
        curve=curve,
        curve_remark=remark,
        test=test,
        test_remark=test_remark,
    )


def _revision(record: RunRecord, split: str) -> str:
    return record.data_report.revisions.get(split, record.experiment.data_revision)


def _test_figure(folder: RunFolder, split: str) -> tuple[TestFigure | None, str]:
    """Return what an evaluation found, or why it cannot be read; neither without an evaluation."""
    path = evaluation_file(folder.path, split)
    if not path.exists():
        return None, ""
    try:
        found = read_evaluation(path)
    except (FormatError, OSError) as error:
        return None, str(error)
    return TestFigure(found.bits_per_dim, found.standard_error, found.valid, found.images), ""


def _paired(
    folders: Sequence[RunFolder],
    records: Sequence[RunRecord],
    runs: Sequence[ComparedRun],
    split: str,
    images: int | None,
    data_options: Mapping[str, Any],
    device: str,
    counting: Counting,
) -> list[ComparedRun]:
    """Return the runs with their differences from the first."""
    reasons = ["", *(_cannot_pair(runs[0], run) for run in runs[1:])]
    if all(reasons[1:]):
        return [replace(run, not_paired=reason) for run, reason in zip(runs, reasons, strict=True)]
    kept = [
        None if reason else _kept(folder, record, split)
        for folder, record, reason in zip(folders, records, reasons, strict=True)
    ]
    wanted = images or _common(kept, reasons)
    found: list[ImageBits | None] = []
    for folder, run, bits, reason in zip(folders, runs, kept, reasons, strict=True):
        if reason:
            found.append(None)
        elif bits is not None and len(bits.values) >= wanted:
            found.append(bits)
        else:
            found.append(
                _measured(folder, split, wanted, data_options, device, counting(f"images, {run.run}"))
            )
    reference = found[0]
    assert reference is not None, "the first run is always measured"
    compared = [runs[0]]
    for run, bits, reason in zip(runs[1:], found[1:], reasons[1:], strict=True):
        reason = reason or ("" if bits is None else _mismatch(reference.conditions, bits.conditions))
        if reason or bits is None:
            compared.append(replace(run, not_paired=reason))
            continue
        count = min(wanted, len(bits.values), len(reference.values))
        difference = paired_difference(bits.values[:count], reference.values[:count])
        compared.append(replace(run, difference=difference))
    return compared


def _cannot_pair(first: ComparedRun, run: ComparedRun) -> str:
    if run.data != first.data:
        return f"it was trained on {run.data}, and the first run on {first.data}"
    if run.data_revision != first.data_revision:
        return f"its images have revision {run.data_revision}, those of the first run {first.data_revision}"
    return ""


def _kept(folder: RunFolder, record: RunRecord, split: str) -> ImageBits | None:
    """Return the bits/dim of images that an evaluation of the present weights kept."""
    bits = read_bits(bits_file(evaluation_file(folder.path, split)))
    if bits is None or bits.conditions.weights != weights_digest(folder.model):
        return None
    return bits if bits.conditions.images_revision == _revision(record, split) else None


def _common(kept: Sequence[ImageBits | None], reasons: Sequence[str]) -> int:
    """Return the number of images to compare: as many as all have, or :data:`IMAGES` if a run has none."""
    counts = [
        0 if bits is None else len(bits.values)
        for bits, reason in zip(kept, reasons, strict=True)
        if not reason
    ]
    return min(counts) or IMAGES


def _measured(
    folder: RunFolder,
    split: str,
    images: int,
    data_options: Mapping[str, Any],
    device: str,
    progress: Callable[[int, int], object],
) -> ImageBits:
    found: list[ImageBits] = []
    evaluate(
        folder.path,
        split=split,
        images=images,
        floor=False,
        audit=False,
        device=device,
        data_options=data_options,
        observer=Observer(images=progress, measured=lambda _, bits: found.append(bits)),
    )
    return found[0]


def _mismatch(first: ImageConditions, other: ImageConditions) -> str:
    """Return why figures of single images cannot be compared, empty if they can."""
    for name, word in (
        ("images_revision", "images"),
        ("bins", "bins"),
        ("seed", "seed"),
        ("importance_samples", "samples"),
    ):
        ours, theirs = getattr(first, name), getattr(other, name)
        if ours != theirs:
            return f"its {word} differ: {theirs}, but {ours} in the first run"
    return ""


def _warnings(records: Sequence[RunRecord], runs: Sequence[ComparedRun], split: str) -> list[str]:
    warnings = []
    if (
        len({(record.experiment.data, record.data_report.revisions.get("train", "")) for record in records})
        > 1
    ):
        warnings.append("the runs were trained on different images")
    if len({run.budget for run in runs}) > 1:
        warnings.append("the runs had different budgets")
    for run in runs:
        if not run.finished:
            warnings.append(f"{run.run} has not finished its training")
        if run.test_remark:
            warnings.append(run.test_remark)
        if run.test is not None and not run.test.valid:
            warnings.append(f"the {split} figure of {run.run} must not be ranked: flowzoo evaluate says why")
    return warnings
