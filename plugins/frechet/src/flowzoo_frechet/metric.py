"""The distance of samples from test images, in the features of a network."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from flowzoo.api import NumericalError
from flowzoo_frechet.feature_metric import Batches, FeatureMetric
from flowzoo_frechet.features import Features


@dataclass(frozen=True, kw_only=True)
class Frechet(FeatureMetric):
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

    def beside(self, features: Features, real: Batches) -> Callable[[Batches], float]:
        return distance_to(features, real)

    def unit_in(self, features: Features) -> str:
        return features.unit

    def objections_to(self, features: Features, count: int) -> tuple[str, ...]:
        needed = features.enough_images or features.num_features + 1
        few = f"{count} images are too few for {features.num_features} features; it takes {needed:,}"
        return ((few,) if count < needed else ()) + features.objections


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
