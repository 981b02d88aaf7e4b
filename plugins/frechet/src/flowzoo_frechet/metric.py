"""The distance of samples from test images, in the features of a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from flowzoo.api import (
    Added,
    Call,
    Dataset,
    Flow,
    IntegerImages,
    Measurement,
    Metric,
    NumericalError,
    Trained,
    quantise,
    sequential_batches,
    spread,
)
from flowzoo_frechet.features import Features, ImportedFeatures, InceptionFeatures
from flowzoo_frechet.trained_features import TrainedFeatures

BATCH = 100

Batches = Iterable[Tensor]
"""Batches of integer images, ``(B, C, H, W)``, on the CPU; batches may differ in size."""


@dataclass(frozen=True, kw_only=True)
class Frechet(Metric):
    """Fréchet distance of samples from test images, each as a Gaussian that is fitted to their features.

    ``|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2))`` for means ``m`` and covariances ``S``.

    Samples are drawn with the seed of the model's training, and rounded to the integers of the data. Only
    distances with the same features, data set and number of images can be compared. With few images they are
    too large, by about the distance of training images from test images, which the details state.
    It is FID with Inception's features alone, and 10,000 images or more.

    References:
        Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
        2017, arXiv:1706.08500.
    """

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

    def measure(self, trained: Trained) -> Measurement:
        dataset, flow = trained.dataset, trained.flow
        test, train = dataset.split("test"), dataset.split("train")
        count = min(self.images, len(test))
        progress = _Progress(trained, count)
        features = self.features_of(dataset, flow.device, progress.features)
        real = (images for _, images in sequential_batches(test, BATCH, count))
        to_test = distance_to(features, progress.through(real, "test images"))
        chosen = spread(len(train), count)
        batches = (train.take(chosen[at : at + BATCH]) for at in range(0, len(chosen), BATCH))
        needed = features.enough_images or features.num_features + 1
        few = f"{count} images are too few for {features.num_features} features; it takes {needed:,}"
        objections = ((few,) if count < needed else ()) + features.objections
        return Measurement(
            value=to_test(progress.through(_samples(flow, count, trained.seed, self.temperature), "samples")),
            unit=features.unit,
            better="lower",
            valid=not objections,
            objections=objections,
            conditions={
                "features": features.name,
                "split": "test",
                "images": count,
                "temperature": self.temperature,
                "seed": trained.seed,
            },
            details={"training_images": to_test(progress.through(batches, "training images"))},
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


class _Progress:
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


def distance_to(features: Features, real: Batches) -> Callable[[Batches], float]:
    """Return a function that measures the distance of images from the real ones.

    Args:
        features: The features in which they are compared.
        real: Batches of images.

    Raises:
        NumericalError: A distance is not finite.
    """
    distance = FrechetInceptionDistance(feature=features, reset_real_features=False)
    for images in real:
        distance.update(images, real=True)

    def measure(others: Batches) -> float:
        distance.reset()
        for images in others:
            distance.update(images, real=False)
        reason = "the features of some images are not finite"
        # On some processors LAPACK ends the whole process if it gets values that are not finite.
        product = distance.real_features_cov_sum @ distance.fake_features_cov_sum
        if bool(torch.isfinite(product).all()):
            try:
                found = float(distance.compute())
            except RuntimeError as error:  # raised by LAPACK for values that are not finite
                reason = str(error)
            else:
                if math.isfinite(found):
                    return found
        raise NumericalError(
            f"the Fréchet distance in the features {features.name} cannot be computed: {reason}"
        )

    return measure


@torch.no_grad()
def _samples(flow: Flow, count: int, seed: int, temperature: float) -> Iterator[IntegerImages]:
    call = Call(generator=torch.Generator().manual_seed(seed))
    for start in range(0, count, BATCH):
        x = flow.decode(flow.draw_latents(min(BATCH, count - start), temperature, call), call)
        yield quantise(x.cpu(), flow.bins)
