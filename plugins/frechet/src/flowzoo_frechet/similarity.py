"""KID, precision and recall of samples, as metrics of suites."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from flowzoo_frechet.feature_metric import Batches, Better, FeatureMetric
from flowzoo_frechet.features import Features
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

    better: ClassVar[Better] = "higher"

    def beside(self, features: Features, real: Batches) -> Callable[[Batches], float]:
        quality = quality_beside(features, real)

        def figure(others: Batches) -> float:
            rows = torch.cat([features(images) for images in others])
            found: float = getattr(quality(rows), self.figure)
            return found

        return figure

    def unit_in(self, features: Features) -> str:
        return ""


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
    better = "lower"

    def unit_in(self, features: Features) -> str:
        return features.unit.replace("FID", "KID")


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
