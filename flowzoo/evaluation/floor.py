"""The floor that every trained model must beat: a full-covariance Gaussian fitted in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from flowzoo.call import Call
from flowzoo.data.batches import sequential_batches
from flowzoo.data.dataset import Dataset
from flowzoo.dequantisation import dequantise
from flowzoo.errors import FlowzooError
from flowzoo.evaluation.floor_cache import cached_floor
from flowzoo.evaluation.floor_worth import remarks_on_floor
from flowzoo.evaluation.likelihood import evaluate_likelihood
from flowzoo.flow import Flow
from flowzoo.registry.models import create_model
from flowzoo.shapes import Images

UP_TO = 3072
"""Largest number of dimensions for which the floor is fitted, since memory grows with its square."""

AUDIT_SECONDS = 5.0
"""Budget of the floor's density audit, in seconds."""

_BATCH_VALUES = 2**23
"""Number of values in a batch. The Gaussian is fitted again after each batch, so few large ones are
faster."""

Progress = Callable[[int, int], object]
"""Called with the number of images that are done, and with the number of all."""


@dataclass(frozen=True)
class Floor:
    """The bits/dim of the Gaussian.

    Attributes:
        bits_per_dim: Bits/dim of the Gaussian; None if it could not be fitted or measured.
        standard_error: Standard error of the bits/dim; None for one image.
        remark: Why there is no figure, or what makes it a weak floor; empty if there is nothing to remark.
    """

    bits_per_dim: float | None
    standard_error: float | None
    remark: str = ""


def measure_floor(
    dataset: Dataset,
    pixels: Mapping[str, Any],
    split: str = "test",
    *,
    images: int | None = None,
    importance_samples: int = 1,
    seed: int = 0,
    cached: bool = True,
    progress: Progress = lambda done, total: None,
) -> Floor:
    """Fit the Gaussian, and measure it as a model is measured. If that fails, the remark says why.

    Args:
        dataset: The data set. The Gaussian is fitted to its training split.
        pixels: The pixel transform, that of the model to compare with.
        split: The split to measure on.
        images: Use only the first N images of the split.
        importance_samples: Number of samples of dequantisation noise for each image.
        seed: Seed of the noise of the images that it is measured on.
        cached: Use a fit that was kept by an earlier evaluation, and keep a new one.
        progress: Called with the progress of the fit.
    """
    dimensions = math.prod(dataset.info.shape)
    if dimensions > UP_TO:
        gigabytes = 8 * dimensions**2 / 1e9
        return Floor(
            None,
            None,
            f"not fitted: images have {dimensions:,} dimensions, more than the limit of {UP_TO:,}; "
            f"its covariance would take {gigabytes:.1f} GB",
        )
    try:
        gaussian, problem = _fitted(dataset, pixels, cached, progress)
        found = evaluate_likelihood(
            gaussian,
            dataset.split(split),
            importance_samples=importance_samples,
            limit=images,
            seed=seed,
            audit_seconds=AUDIT_SECONDS,
        )
        fitted_to = len(dataset.split("train"))
    # The model's figure is measured already, and must not be lost if the floor fails.
    except Exception as error:
        return Floor(None, None, f"could not be fitted: {_reason(error)}")
    remarks = remarks_on_floor(found.bits_per_dim, fitted_to, dimensions, dataset.info.bins)
    said = "; ".join(filter(None, [*found.objections, *remarks, problem]))
    return Floor(found.bits_per_dim, found.standard_error, said)


def fit_gaussian(
    dataset: Dataset,
    pixels: Mapping[str, Any],
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> Flow:
    """Return the model ``gaussian`` fitted to the training split.

    Args:
        dataset: The data set, whose training split is used.
        pixels: The pixel transform, that of the model to compare with.
        seed: Seed of the dequantisation noise.
        progress: Called with the progress of the fit.
    """
    flow = _unfitted(dataset, pixels)
    call = Call(generator=torch.Generator().manual_seed(seed))
    source = dataset.split("train")

    def batches() -> Iterator[Images]:
        size = max(1000, _BATCH_VALUES // flow.dimensions)
        for indices, images in sequential_batches(source, batch_size=size):
            yield dequantise(images, dataset.info.bins, call)
            # The fit to a batch is over when the next one is asked for.
            progress(indices.stop, len(source))

    flow.initialise(batches())
    return flow


def _unfitted(dataset: Dataset, pixels: Mapping[str, Any]) -> Flow:
    return create_model("gaussian", dataset.info.shape, bins=dataset.info.bins, pixels=dict(pixels), seed=0)


def _fitted(
    dataset: Dataset, pixels: Mapping[str, Any], cached: bool, progress: Progress
) -> tuple[Flow, str]:
    def fit() -> Flow:
        return fit_gaussian(dataset, pixels, progress=progress)

    if not cached:
        return fit(), ""
    recipe = _unfitted(dataset, pixels).recipe
    assert recipe is not None, "create_model notes its recipe"
    return cached_floor(recipe, dataset.info, fit)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    if isinstance(error, MemoryError) or "allocate memory" in text:
        return "there is not enough memory for its covariance"
    return text if text and isinstance(error, FlowzooError) else f"{type(error).__name__} {text}".strip()
