"""How good samples are beside real images: distances, precision and recall of features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics.image.kid import poly_mmd

from flowzoo.api import NumericalError
from flowzoo_frechet.feature_metric import Batches
from flowzoo_frechet.features import FeatureRows, Features
from flowzoo_frechet.metric import distance_to

NEIGHBOUR = 3
"""The neighbour whose distance is the radius around an image's features."""

EXACT = "donot_use_mm_for_euclid_dist"
"""How distances are computed: matrix products round them, so that equal ones differ."""


@dataclass(frozen=True)
class Quality:
    """Figures of a set of samples.

    Attributes:
        frechet: Fréchet distance from the real images, lower is better.
        kid: Squared maximum mean discrepancy with the kernel ``(x y / F + 1)^3``, unbiased, so it may
            be below 0; lower is better.
        precision: Share of samples that lie among the real images: how good they are.
        recall: Share of real images that lie among the samples: how varied these are.
    """

    frechet: float
    kid: float
    precision: float
    recall: float


class Rows(Features):
    """Features that were computed before, as they are."""

    def __init__(self, like: Features) -> None:
        super().__init__()
        self.name, self.unit, self.num_features = like.name, like.unit, like.num_features

    def forward(self, images: Tensor) -> FeatureRows:
        return images


def quality_beside(features: Features, real: Batches) -> Callable[[FeatureRows], Quality]:
    """Return a function that compares samples' features, ``(N, F)``, with those of real images.

    Args:
        features: The network.
        real: Batches of as many real images, ``(B, C, H, W)``.

    References:
        KID: Binkowski et al., "Demystifying MMD GANs", 2018. Precision and recall: Kynkäänniemi et al.,
        "Improved Precision and Recall Metric for Assessing Generative Models", 2019.
    """
    rows = torch.cat([features(images) for images in real])
    distance = distance_to(Rows(features), [rows])
    radii = _radii(rows)

    def quality(samples: FeatureRows) -> Quality:
        if not bool(samples.isfinite().all()):
            raise NumericalError(f"the features {features.name} of some samples are not finite")
        apart = torch.cdist(samples, rows, compute_mode=EXACT)
        return Quality(
            frechet=distance([samples]),
            kid=float(poly_mmd(rows, samples)),
            precision=float((apart <= radii).any(1).double().mean()),
            recall=float((apart <= _radii(samples)[:, None]).any(0).double().mean()),
        )

    return quality


def _radii(rows: FeatureRows) -> Tensor:
    """Return the distance of each row, ``(N,)``, from its third nearest neighbour."""
    nearest = (
        torch.cdist(rows, rows, compute_mode=EXACT).topk(min(NEIGHBOUR + 1, len(rows)), largest=False).values
    )
    return nearest[:, -1]  # the nearest is the row itself
