"""Work in batches, in which what a model calibrates does not depend on how the batches are cut.

A solver that chose its steps anew for every batch would make an image depend on those beside it. So it
chooses them on a few images, the pilot, and all others meet the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from torch import Tensor, nn

from flowzoo.warm_start import WarmStart

PILOT_IMAGES = 32
"""Images on which a model calibrates before it is validated or evaluated on others, or on all."""

PILOT_DRAWS = 8
"""Images on which a model calibrates while it draws; they are the first that it draws."""

T = TypeVar("T")


def calibrate(model: nn.Module, compute: Callable[[WarmStart], T]) -> tuple[WarmStart, T]:
    """Return what a model keeps while something is computed of its pilot, frozen, and what was computed.

    Args:
        model: The model; its modules keep what they calibrate.
        compute: Computes something of the pilot with a new warm start.
    """
    warm_start = WarmStart(model)
    computed = compute(warm_start)
    warm_start.frozen = True
    return warm_start, computed


def in_batches(
    model: nn.Module, count: int, batch_size: int, pilot: int, compute: Callable[[range, WarmStart], Tensor]
) -> Iterator[Tensor]:
    """Yield what is computed for ``count`` things, in order.

    Args:
        model: The model; its modules keep what they calibrate.
        count: Number of the things.
        batch_size: Number of things at once, except for the pilot.
        pilot: How many the model calibrates on; all of them are computed, even where fewer are asked for.
            0 for a model that calibrates nothing.
        compute: Takes places of things, and the warm start; returns a row each.
    """
    warm_start, first = calibrate(model, lambda new: compute(range(pilot), new) if pilot else None)
    if first is not None:
        yield first[:count]
    for start in range(pilot, count, batch_size):
        yield compute(range(start, min(start + batch_size, count)), warm_start)
