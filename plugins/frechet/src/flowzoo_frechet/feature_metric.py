"""What metrics have in common that compare samples with real images in the features of a network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from flowzoo.api import (
    Added,
    Call,
    Dataset,
    Flow,
    IntegerImages,
    Measurement,
    Metric,
    Trained,
    quantise,
    sequential_batches,
    spread,
)
from flowzoo_frechet.features import Features, ImportedFeatures, InceptionFeatures
from flowzoo_frechet.trained_features import TrainedFeatures

BATCH = 100

Better = Literal["lower", "higher"]

Batches = Iterable[Tensor]
"""Batches of integer images, ``(B, C, H, W)``, on the CPU; batches may differ in size."""


@dataclass(frozen=True, kw_only=True)
class FeatureMetric(Metric):
    """A figure of samples beside test images, in the features of a network.

    Its options are those of the network and the images. The details state the figure of training images.
    """

    better: ClassVar[Better] = "lower"

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

    @abstractmethod
    def beside(self, features: Features, real: Batches) -> Callable[[Batches], float]:
        """Return a function that computes the figure of images beside the real ones."""

    @abstractmethod
    def unit_in(self, features: Features) -> str:
        """Return the unit of the figure."""

    def objections_to(self, features: Features, count: int) -> tuple[str, ...]:
        """Return why the figure of so many images is not valid."""
        return features.objections

    def measure(self, trained: Trained) -> Measurement:
        dataset, flow = trained.dataset, trained.flow
        test, train = dataset.split("test"), dataset.split("train")
        count = min(self.images, len(test))
        progress = ImagesSeen(trained, count)
        features = self.features_of(dataset, flow.device, progress.features)
        real = (images for _, images in sequential_batches(test, BATCH, count))
        beside_test = self.beside(features, progress.through(real, "test images"))
        samples = drawn(flow, count, trained.seed, self.temperature)
        chosen = spread(len(train), count)
        training = (train.take(chosen[at : at + BATCH]) for at in range(0, len(chosen), BATCH))
        objections = self.objections_to(features, count)
        return Measurement(
            value=beside_test(progress.through(samples, "samples")),
            unit=self.unit_in(features),
            better=self.better,
            valid=not objections,
            objections=objections,
            conditions={
                "features": features.name,
                "split": "test",
                "images": count,
                "temperature": self.temperature,
                "seed": trained.seed,
            },
            details={"training_images": beside_test(progress.through(training, "training images"))},
        )

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
