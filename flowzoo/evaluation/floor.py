"""The floor that every trained model must beat: a full-covariance Gaussian fitted in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from flowzoo.data.batches import sequential_batches
from flowzoo.data.dataset import Dataset
from flowzoo.dequantisation import dequantise
from flowzoo.flow import Flow
from flowzoo.registry.models import create_model
from flowzoo.run import Run
from flowzoo.shapes import Images


def fit_gaussian(dataset: Dataset, pixels: Mapping[str, Any], seed: int = 0) -> Flow:
    """Return the model ``gaussian`` fitted to the training split.

    Args:
        dataset: Its training split is used.
        pixels: The pixel transform, that of the model to compare with.
        seed: Of the dequantisation noise.
    """
    flow = create_model(
        "gaussian", dataset.info.shape, bins=dataset.info.bins, pixels=dict(pixels), seed=seed
    )
    run = Run(generator=torch.Generator().manual_seed(seed))

    def batches() -> Iterator[Images]:
        for _, images in sequential_batches(dataset.split("train"), batch_size=1000):
            yield dequantise(images, dataset.info.bins, run)

    flow.initialise(batches())
    return flow
