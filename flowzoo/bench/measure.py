"""Runs a cell: training, then every metric, then a picture of samples."""

from __future__ import annotations

import math
import shutil
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from flowzoo.bench.artefacts import keep_artefacts, remove_artefacts
from flowzoo.bench.cell import Cell
from flowzoo.bench.environment import describe_environment
from flowzoo.bench.failure import explain
from flowzoo.bench.kept import made_with
from flowzoo.bench.measured import ENVIRONMENT, Kept, keep, read_kept
from flowzoo.bench.result import QUALITY, Environment, Failure, Result
from flowzoo.data.dataset import Dataset, DatasetInfo
from flowzoo.data.load import load_dataset
from flowzoo.device import prepare_device
from flowzoo.errors import DataError, FlowzooError, NumericalError, PluginError
from flowzoo.evaluation.image_bits import ImageBits, write_bits
from flowzoo.evaluation.measured_images import trained_on
from flowzoo.files import write_json
from flowzoo.flow import Flow
from flowzoo.metric import BITS, NOT_AUDITED, Measurement, Metric, Trained
from flowzoo.pictures import save_grid
from flowzoo.registry.build import build_component
from flowzoo.registry.saving import load_model, weights_digest
from flowzoo.runfolder import DataReport, RunFolder, RunRecord
from flowzoo.training.log import TrainingLog
from flowzoo.training.reporter import Progress, Reporter
from flowzoo.training.resume import resume_run
from flowzoo.training.start import start_run


class Tell(Protocol):
    """Receives what is being done, which fraction of it is done, and the last validation's bits/dim.

    ``is_step`` says that it was a step or a validation of the training, so that the fraction is that of the
    stage.
    """

    def __call__(self, stage: str, share: float, bits: float | None, is_step: bool = False) -> None: ...


class CellRun:
    """Trains and measures one cell, in a work folder from which an interrupted cell goes on.

    Args:
        cell: The cell.
        plan: The cell's record without figures.
        work: The work folder; made if it does not exist.
        device: As :func:`~flowzoo.device.prepare_device` takes it.
        jobs: Largest number of cells that run at the same time.
        tell: Called with the progress.
    """

    def __init__(self, cell: Cell, plan: Result, work: Path, device: str, jobs: int, tell: Tell) -> None:
        self._cell = cell
        self._plan = plan
        self._work = work
        self._folder = RunFolder(work / "run")
        self._device = prepare_device(device)
        self._jobs = jobs
        self._tell = tell

    def run(self, record: Path) -> Result:
        """Return the cell's record, with all that could be measured. Failures are recorded, not raised.

        Args:
            record: The file that the record will be written to. What is kept lies beside it.
        """
        experiment = self._cell.experiment
        environment = self._describe()
        result = replace(self._plan, environment=environment)
        self._tell("training", 0.0, None)
        try:
            trained = self._train_or_resume()
            dataset = load_dataset(experiment.data, **experiment.data_options)
            _require_same_images(dataset, trained, self._plan)
        except (Exception, SystemExit) as error:  # any exception of a model is a finding about it
            return _ended(result, explain("training", error))
        spent = replace(result.spent, steps=trained.steps, seconds=trained.seconds)
        metrics: dict[str, Measurement] = {}
        unmeasured: list[str] = []
        failure: Failure | None = None
        for label in self._cell.metrics:
            self._advance(label, 0.0)
            try:
                metrics[label] = self._measure(label, trained, dataset, environment)
            except (Exception, SystemExit) as error:
                found = explain(_measuring(label), error)
                unmeasured.append(label)
                metrics[label] = Measurement(None, "").objected(found.reason)
                if isinstance(error, NumericalError) or not isinstance(error, FlowzooError):
                    failure = failure or found
        metrics = _resting_on_likelihood(_resting_on_splits(metrics, trained.data_report, dataset.info))
        samples = ""
        try:
            samples = self._draw(record.with_suffix(".png"))
        except (Exception, SystemExit) as error:
            failure = failure or explain("drawing samples", error)
        remove_artefacts(record)
        files = keep_artefacts(record, self._folder.model, self._bits) if self._cell.keep else {}
        measured = replace(
            result,
            spent=spent,
            metrics=metrics,
            samples=samples,
            unmeasured=tuple(unmeasured),
            files=files,
        )
        return _ended(measured, failure)

    def _describe(self) -> Environment:
        """Return where the cell runs; for an interrupted one, with the largest number of jobs so far."""
        path = self._work / ENVIRONMENT
        precision = self._plan.experiment.training.precision
        found = describe_environment(self._device, precision, self._jobs, made_with(self._cell, self._plan))
        if path.is_file():
            with suppress(ValidationError):
                before = _ENVIRONMENT.validate_json(path.read_bytes())
                found = replace(found, jobs=max(found.jobs, before.jobs))
        write_json(path, asdict(found))
        return found

    def _train_or_resume(self) -> RunRecord:
        experiment = self._cell.experiment
        device, reporter = str(self._device), _StageReporter(self._tell)
        if (self._folder.path / "run.json").is_file():
            record = self._folder.read()
            if record.status == "finished":
                return record
            moved = experiment.data_options
            return resume_run(self._folder.path, data_options=moved, device=device, reporter=reporter)
        shutil.rmtree(self._folder.path, ignore_errors=True)  # left by a start that was cut short
        return start_run(self._folder.path, experiment, device=device, reporter=reporter)

    def _advance(self, label: str, share: float, what: str = "") -> None:
        """Tell how far a metric is; every metric has a part of the bar of the same length."""
        stage = f"{_measuring(label)}, {what}" if what else _measuring(label)
        place = list(self._cell.metrics).index(label)
        self._tell(stage, (place + share) / len(self._cell.metrics), None)

    def _measure(
        self, label: str, record: RunRecord, dataset: Dataset, environment: Environment
    ) -> Measurement:
        """Return a metric's figure, from the work folder if it was measured there before an interruption.

        Times are measured again if anything about the environment has changed.
        """
        kept = read_kept(self._work, label)
        lacks_bits = label == QUALITY and self._cell.keep and not self._bits.is_file()
        usable = kept is not None and (kept.measurement.repeats or kept.environment == environment)
        if kept is not None and usable and not lacks_bits:
            return kept.measurement
        name, options = self._cell.metrics[label]
        metric = build_component("metric", name, **options)
        if not isinstance(metric, Metric):
            raise PluginError(f"metric '{name}' built a {type(metric).__name__}, expected a Metric")
        found = metric.measure(
            Trained(
                flow=self._model(),
                dataset=dataset,
                training=record.experiment.training.model_dump(),
                log=TrainingLog(self._folder.log).read(),
                steps=record.steps,
                seconds=record.seconds,
                seed=self._cell.experiment.seed,
                keep=lambda part: keep(self._work, label, Kept(environment, part), complete=False),
                keep_bits=self._keep_bits if label == QUALITY else lambda bits: None,
                progress=partial(self._advance, label),
            )
        )
        _require_plain(name, found)
        return keep(self._work, label, Kept(environment, _never_ranked_unless_audited(found)))

    @property
    def _bits(self) -> Path:
        return self._work / "images.bits.safetensors"

    def _keep_bits(self, bits: ImageBits) -> None:
        conditions = replace(bits.conditions, weights=weights_digest(self._folder.model))
        write_bits(replace(bits, conditions=conditions), self._bits)

    def _draw(self, picture: Path) -> str:
        flow = self._model()
        if not self._cell.samples or flow.image_shape[0] not in (1, 3):
            return ""
        self._tell("drawing samples", 0.99, None)
        save_grid(flow.sample(self._cell.samples, seed=self._cell.experiment.seed), picture, flow.bins)
        return picture.name

    def _model(self) -> Flow:
        return load_model(self._folder.model, device=str(self._device))


_ENVIRONMENT = TypeAdapter(Environment)


def _measuring(label: str) -> str:
    """Return the stage in which a metric is measured."""
    return f"measuring {label}"


def _resting_on_likelihood(metrics: dict[str, Measurement]) -> dict[str, Measurement]:
    """Mark times to reach bits/dim as not valid if the model's likelihood is not valid, or not measured."""
    quality = metrics.get(QUALITY)
    if quality is not None and quality.valid:
        return metrics
    said = f"it depends on bits/dim, but {QUALITY} "
    said += "was not measured" if quality is None else f"is not valid: {'; '.join(quality.objections)}"
    return {
        name: each.objected(said)
        if name != QUALITY and each.value is not None and "bits_per_dim" in each.conditions
        else each
        for name, each in metrics.items()
    }


def _resting_on_splits(
    metrics: dict[str, Measurement], report: DataReport, info: DatasetInfo
) -> dict[str, Measurement]:
    """Mark a likelihood as not valid if its images are images to train on."""
    quality = metrics.get(QUALITY)
    split = None if quality is None else quality.conditions.get("split")
    if quality is None or split not in ("test", "validation"):
        return metrics
    objections = trained_on(report.shared, report.sizes, split, info.shape, info.bins)
    return {**metrics, QUALITY: quality.objected(*objections)}


def _never_ranked_unless_audited(found: Measurement) -> Measurement:
    """Mark bits/dim that nothing has audited as not valid, whichever metric measured them."""
    if found.unit != BITS or not found.valid or found.audit_seconds is not None:
        return found
    return found.objected(NOT_AUDITED)


def _require_same_images(dataset: Dataset, record: RunRecord, plan: Result) -> None:
    """Refuse a data set that holds other images each time it is loaded.

    Raises:
        DataError: It does.
    """
    found = {plan.experiment.data_revision, record.experiment.data_revision, dataset.info.revision} - {""}
    if len(found) > 1:
        raise DataError(
            f"data set '{dataset.info.name}' holds other images each time it is loaded: revisions "
            f"{', '.join(sorted(found))}. It has to load the same images; report it to its author"
        )


def _require_plain(name: str, found: Any) -> None:
    if not isinstance(found, Measurement):
        raise PluginError(f"metric '{name}' returned a {type(found).__name__}, expected a Measurement")
    if found.value is None and not found.objections:
        raise PluginError(f"metric '{name}' returned neither a value nor an objection")
    if found.value is not None and not math.isfinite(found.value):
        raise NumericalError(f"metric '{name}' is {found.value}")


def _ended(result: Result, failure: Failure | None) -> Result:
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(result, status="failed" if failure else "finished", failure=failure, date=date)


class _StageReporter(Reporter):
    """Reports the training's progress."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def update(self, progress: Progress) -> None:
        stage = f"training, {progress.work or progress.stage}"
        self._tell(stage, progress.used, progress.bits_per_dim, is_step=not progress.work)
