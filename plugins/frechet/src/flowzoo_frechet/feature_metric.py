"""What metrics have in common that compare samples with real images in the features of a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from flowzoo.api import Added, Call, Dataset, Flow, IntegerImages, Metric, Trained, quantise
from flowzoo_frechet.features import Features, ImportedFeatures, InceptionFeatures
from flowzoo_frechet.trained_features import TrainedFeatures

BATCH = 100

Batches = Iterable[Tensor]
"""Batches of integer images, ``(B, C, H, W)``, on the CPU; batches may differ in size."""


@dataclass(frozen=True, kw_only=True)
class FeatureMetric(Metric):
    """A metric in the features of a network; its options are those of the network and the images."""

    features: Annotated[
        str,
        Field(
            pattern=r"^(trained|inception|[\w.]+:\w+)$",
            description="Network: trained (on the data set itself), inception, or package.module:callable.",
        ),
    ] = "trained"
    images: Annotated[int, Field(ge=2, description="Number of test images, and of samples.")] = 2000
    steps: Annotated[int, Field(ge=1, description="Training steps of the trained features.")] = 300
    seed: Annotated[int, Field(ge=0, description="Seed of the features' training.")] = 0
    temperature: Annotated[
        float,
        Added(before=1.0),
        Field(gt=0, le=10, description="Factor of the latents. Below 1, samples are likelier and vary less."),
    ] = 1.0

    def features_of(
        self, dataset: Dataset, device: torch.device, progress: Callable[[float], object]
    ) -> Features:
        """Return the network, trained if it has to be; ``progress`` gets the share that is done."""
        if self.features == "trained":
            return TrainedFeatures(dataset, self.steps, self.seed, progress)
        if self.features == "inception":
            return InceptionFeatures(dataset.info.bins, device)
        return ImportedFeatures(self.features, dataset.info.shape)


class ImagesSeen:
    """How far the metric is. Features, test images, samples and training images have a quarter each."""

    def __init__(self, trained: Trained, count: int) -> None:
        self._tell = trained.progress
        self._count = count
        self._seen = 0

    def features(self, share: float) -> None:
        """Show which share of the features' training is done."""
        self._tell(share / 4, "features")

    def through(self, batches: Batches, what: str) -> Iterator[IntegerImages]:
        """Go through batches and show how many images are done."""
        for images in batches:
            yield images
            self._seen += len(images)
            self._tell((1 + self._seen / self._count) / 4, what)


@torch.no_grad()
def drawn(flow: Flow, count: int, seed: int, temperature: float) -> Iterator[IntegerImages]:
    """Draw samples, as integers, in batches; the noise of all follows from one seed."""
    call = Call(generator=torch.Generator().manual_seed(seed))
    for start in range(0, count, BATCH):
        x = flow.decode(flow.draw_latents(min(BATCH, count - start), temperature, call), call)
        yield quantise(x.cpu(), flow.bins)
