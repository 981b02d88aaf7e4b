"""Work in batches, in which what a model calibrates does not depend on how the batches are cut.

A solver that chose its steps anew for every batch would make an image depend on those beside it. So it
chooses them on a few images, the pilot, and all others meet the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor, nn

from flowzoo.warm_start import WarmStart


def in_batches(
    model: nn.Module, count: int, batch_size: int, pilot: int, compute: Callable[[range, WarmStart], Tensor]
) -> Iterator[Tensor]:
    """Yield what is computed for ``count`` things, in order.

    Args:
        model: The model; its modules keep what they calibrate.
        count: Of the things.
        batch_size: How many at once, but for the pilot.
        pilot: How many the model calibrates on; all of them are computed, even where fewer are asked for.
            0 for a model that calibrates nothing.
        compute: Takes places of things, and the warm start; returns a row each.
    """
    warm_start = WarmStart(model)
    if pilot:
        first = compute(range(pilot), warm_start)
        yield first[:count]
    warm_start.frozen = True
    for start in range(pilot, count, batch_size):
        yield compute(range(start, min(start + batch_size, count)), warm_start)
