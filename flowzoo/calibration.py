"""Computes in batches so that a model's calibration does not depend on the division into batches.

If a solver chose its steps again for every batch, an image's result would depend on other images. So it
chooses them on a few pilot images, and all other images use the same steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from torch import Tensor, nn

from flowzoo.warm_start import WarmStart

PILOT_IMAGES = 32
"""Number of images on which a model calibrates before validation or evaluation."""

PILOT_DRAWS = 8
"""Number of images on which a model calibrates in sampling: the first that it draws."""

T = TypeVar("T")


def calibrate(model: nn.Module, compute: Callable[[WarmStart], T]) -> tuple[WarmStart, T]:
    """Compute something for pilot images. Return the frozen warm start, and the results.

    Args:
        model: The model; its modules keep what they calibrate.
        compute: Computes something for the pilot with a new warm start.
    """
    warm_start = WarmStart(model)
    computed = compute(warm_start)
    warm_start.frozen = True
    return warm_start, computed


def in_batches(
    model: nn.Module, count: int, batch_size: int, pilot: int, compute: Callable[[range, WarmStart], Tensor]
) -> Iterator[Tensor]:
    """Yield the results for ``count`` things, in order.

    Args:
        model: The model; its modules keep what they calibrate.
        count: Number of the things.
        batch_size: Number of things at once, except for the pilot.
        pilot: Number of things on which the model calibrates. All of them are computed, even if ``count`` is
            smaller. 0 for a model that calibrates nothing.
        compute: Takes places of things and the warm start, and returns one row for each.
    """
    warm_start, first = calibrate(model, lambda new: compute(range(pilot), new) if pilot else None)
    if first is not None:
        yield first[:count]
    for start in range(pilot, count, batch_size):
        yield compute(range(start, min(start + batch_size, count)), warm_start)
