"""The difference of two models on the same images, which is far more certain than either figure.

Images differ in difficulty, and what is hard for one model is hard for another. So most of the spread of
bits/dim is common to both models, and cancels in each image's difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

WITHIN = 1.96
"""Standard errors within which the mean difference lies with a probability of 95 %."""


@dataclass(frozen=True)
class PairedDifference:
    """How much a model differs from a reference, image by image.

    Attributes:
        images: Number of images.
        mean: Mean of (model - reference), bits/dim; negative where the model is better.
        standard_error: Standard error of the mean; None for one image.
        interval: The mean lies between these with a probability of 95 %; None for one image.
    """

    images: int
    mean: float
    standard_error: float | None
    interval: tuple[float, float] | None

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or ``no clear difference`` where 0 lies in the interval."""
        if self.interval is None or self.interval[0] <= 0.0 <= self.interval[1]:
            return "no clear difference"
        return "better" if self.mean < 0.0 else "worse"


def paired_difference(bits: Tensor, reference: Tensor) -> PairedDifference:
    """Compare the bits/dim of two models on the same images.

    >>> import torch
    >>> paired_difference(torch.tensor([3.0, 5.0]), torch.tensor([3.5, 5.5])).mean
    -0.5

    Args:
        bits: Bits/dim of the model, ``(N,)``.
        reference: Bits/dim of the reference on the same images with the same noise, ``(N,)``.
    """
    differences = bits.double() - reference.double()
    count, mean = len(differences), float(differences.mean())
    if count < 2:
        return PairedDifference(count, mean, None, None)
    error = float(differences.std()) / math.sqrt(count)
    return PairedDifference(count, mean, error, (mean - WITHIN * error, mean + WITHIN * error))
