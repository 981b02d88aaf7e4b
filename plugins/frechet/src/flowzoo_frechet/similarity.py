"""KID, precision and recall of samples, as metrics of suites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from flowzoo.api import Measurement, Trained, sequential_batches, spread
from flowzoo_frechet.feature_metric import BATCH, Batches, FeatureMetric, ImagesSeen, drawn
from flowzoo_frechet.features import FeatureRows, Features
from flowzoo_frechet.quality import quality_beside


@dataclass(frozen=True, kw_only=True)
class Similarity(FeatureMetric):
    """A metric that is one figure of :class:`~flowzoo_frechet.quality.Quality`.

    Samples are drawn with the seed of the model's training, and rounded to the integers of
    the data. Only figures with the same features, data set and number of images can be compared. The details
    state the figure of training images beside test images. No model can be expected to do much better.
    """

    figure: ClassVar[str]
    """Name of the figure."""

    distance: ClassVar[bool] = False
    """Whether lower figures are better, and whether they have the unit of the features."""

    def measure(self, trained: Trained) -> Measurement:
        dataset, flow = trained.dataset, trained.flow
        test, train = dataset.split("test"), dataset.split("train")
        count = min(self.images, len(test))
        progress = ImagesSeen(trained, count)
        features = self.features_of(dataset, flow.device, progress.features)
        real = (images for _, images in sequential_batches(test, BATCH, count))
        quality = quality_beside(features, progress.through(real, "test images"))
        chosen = spread(len(train), count)
        training = (train.take(chosen[at : at + BATCH]) for at in range(0, len(chosen), BATCH))
        samples = progress.through(drawn(flow, count, trained.seed, self.temperature), "samples")
        of_samples = getattr(quality(_rows(features, samples)), self.figure)
        of_training = getattr(
            quality(_rows(features, progress.through(training, "training images"))), self.figure
        )
        return Measurement(
            value=of_samples,
            unit=features.unit.replace("FID", self.figure.upper()) if self.distance else "",
            better="lower" if self.distance else "higher",
            valid=not features.objections,
            objections=features.objections,
            conditions={
                "features": features.name,
                "split": "test",
                "images": count,
                "temperature": self.temperature,
                "seed": trained.seed,
            },
            details={"training_images": of_training},
        )


@final
@dataclass(frozen=True, kw_only=True)
class Kid(Similarity):
    """Kernel distance (KID) of samples from test images, in features of a network.

    The squared maximum mean discrepancy with the kernel ``(x y / F + 1)^3``, without bias, so it may be below
    0. Unlike a Fréchet distance, it is not too large with few images. It is KID as published with Inception's
    features alone.

    References:
        Binkowski et al., "Demystifying MMD GANs", 2018, arXiv:1801.01401.
    """

    figure = "kid"
    distance = True


@final
@dataclass(frozen=True, kw_only=True)
class Precision(Similarity):
    """Share of samples that lie among the test images: how good they are.

    An image lies among others if its features are as near to those of one of them as their third nearest
    neighbour is.

    References:
        Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", 2019,
        arXiv:1904.06991.
    """

    figure = "precision"


@final
@dataclass(frozen=True, kw_only=True)
class Recall(Similarity):
    """Share of test images that lie among the samples: how varied these are.

    An image lies among others if its features are as near to those of one of them as their third nearest
    neighbour is.

    References:
        Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models", 2019,
        arXiv:1904.06991.
    """

    figure = "recall"


def _rows(features: Features, batches: Batches) -> FeatureRows:
    return torch.cat([features(images) for images in batches])
