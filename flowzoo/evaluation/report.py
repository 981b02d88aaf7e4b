"""A run folder to a record of what its model reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flowzoo.data.dataset import Dataset
from flowzoo.data.load import load_revision
from flowzoo.device import prepare_device
from flowzoo.evaluation.floor import fit_gaussian
from flowzoo.evaluation.likelihood import Likelihood, evaluate_likelihood
from flowzoo.files import write_json
from flowzoo.flow import Flow
from flowzoo.runfolder import RunFolder

SCHEMA = 2

FLOOR_UP_TO = 3072
"""Dimensions up to which the Gaussian floor is fitted: its covariance has their square."""


@dataclass(frozen=True, kw_only=True)
class Evaluation(Likelihood):
    """What a run's model reaches, and the conditions: a likelihood and where it comes from.

    Attributes:
        schema: Version of this record.
        model: Registered name.
        data: Registered name of the data set.
        data_revision: Its content hash.
        split: Which images.
        bins: ``M``, integers that a value can take; ``n = log2 M``.
        pixels: The pixel transform.
        gaussian_bits_per_dim: Of the closed-form Gaussian with the same pixels on the same images, or None.
        gaussian_standard_error: Of that.
        training_steps: Of the run so far; the model is that of its best validation.
        training_seconds: Of the run so far.
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
    training_steps: int
    training_seconds: float


def evaluate_run(
    path: Path | str,
    split: str = "test",
    *,
    images: int | None = None,
    draws: int = 1,
    exact: bool | None = None,
    floor: bool = True,
    batch_size: int = 100,
    seed: int = 0,
    audit: bool = True,
    device: str = "auto",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Evaluate the model of a run folder; :func:`write_evaluation` keeps what is found.

    Args:
        path: The run folder.
        split: ``train``, ``validation`` or ``test``.
        images: Use the first so many only.
        draws: Of dequantisation noise, and of coarse images where the model draws them, for each image.
        exact: As in :func:`~flowzoo.evaluation.likelihood.evaluate_likelihood`.
        floor: Fit the Gaussian floor too, on images of up to 3,072 dimensions.
        batch_size: Images at once.
        seed: Of noise and probes.
        audit: Measure the solver's error too, for models that have one.
        device: As :func:`~flowzoo.device.prepare_device` takes it.
        progress: Told how many images of how many are done.

    Raises:
        SavedModelError: The folder holds no run, or no model yet.
        DataError: The data set is not the one that the model was trained on.
        OptionError: An option is out of range, or does not fit the model.
    """
    folder = RunFolder(path)
    record = folder.read()
    flow = folder.load_model(str(prepare_device(device)))
    dataset = load_revision(record.data, record.data_revision, record.data_options)
    source = dataset.split(split)
    total = min(len(source), images or len(source))
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    found = evaluate_likelihood(
        flow,
        source,
        draws=draws,
        exact=exact,
        limit=images,
        batch_size=batch_size,
        seed=seed,
        audit=audit,
        progress=advance,
    )
    floor_bits, floor_error = (None, None)
    if floor and record.model != "gaussian" and flow.dimensions <= FLOOR_UP_TO:
        floor_bits, floor_error = _floor(flow, dataset, split, images, draws, seed)
    return Evaluation(
        schema=SCHEMA,
        model=record.model,
        data=record.data,
        data_revision=record.data_revision,
        split=split,
        bins=flow.bins,
        pixels=_pixels(flow),
        **vars(found),
        gaussian_bits_per_dim=floor_bits,
        gaussian_standard_error=floor_error,
        training_steps=record.steps,
        training_seconds=record.seconds,
    )


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write an evaluation as JSON.

    Args:
        evaluation: What was found.
        path: Of the file; :func:`evaluation_file` says where a run keeps it.

    Raises:
        FileError: It cannot be written.
    """
    write_json(path, asdict(evaluation))


def evaluation_file(run: Path | str, split: str) -> Path:
    """Return where a run keeps the evaluation of a split."""
    return RunFolder(run).path / f"evaluation-{split}.json"


def _floor(
    flow: Flow, dataset: Dataset, split: str, images: int | None, draws: int, seed: int
) -> tuple[float, float | None]:
    gaussian = fit_gaussian(dataset, _pixels(flow))
    found = evaluate_likelihood(gaussian, dataset.split(split), draws=draws, limit=images, seed=seed)
    return found.bits_per_dim, found.standard_error


def _pixels(flow: Flow) -> Mapping[str, Any]:
    assert flow.recipe is not None, "a loaded model has a recipe"
    return flow.recipe.pixels
