"""Batches of integer images: shuffled without end for training, in order for evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import SupportsIndex

import numpy as np

from flowzoo.data.dataset import ImageSource
from flowzoo.errors import DataError
from flowzoo.integers import positive_integer
from flowzoo.shapes import IntegerImages


class ShuffledBatches(Iterator[IntegerImages]):
    """Endless batches in random order, each image once an epoch.

    A batch that reaches the end of an epoch is filled from the next, so all batches have the same size. The
    order of an epoch depends on ``seed`` and the epoch's number alone, and no other random state is touched.

    Args:
        source: The images.
        batch_size: Number of images in a batch.
        seed: Random seed of the order.

    Raises:
        DataError: There are no images.
        OptionError: The batch size is not positive.
    """

    def __init__(self, source: ImageSource, batch_size: SupportsIndex, seed: int) -> None:
        self._batch_size = _check(source, batch_size)
        self._source = source
        self._seed = seed
        self._start_epoch(0)

    def __next__(self) -> IntegerImages:
        indices: list[int] = []
        while len(indices) < self._batch_size:
            if self._position == len(self._order):
                self._start_epoch(self._epoch + 1)
            wanted = self._batch_size - len(indices)
            taken = self._order[self._position : self._position + wanted]
            self._position += len(taken)
            indices.extend(taken)
        return self._source.take(indices)

    def state(self) -> dict[str, int]:
        """Return the present state as plain data, from which :meth:`restore` continues exactly."""
        return {
            "seed": self._seed,
            "epoch": self._epoch,
            "position": self._position,
            "images": len(self._source),
        }

    def restore(self, state: Mapping[str, int]) -> None:
        """Continue from a state that :meth:`state` returned.

        Raises:
            DataError: The state comes from another number of images.
        """
        if state["images"] != len(self._source):
            raise DataError(
                f"training began with {state['images']} images, and the data set has {len(self._source)} "
                "now. Go on with the data set that the run was started with"
            )
        self._seed = state["seed"]
        self._start_epoch(state["epoch"])
        self._position = state["position"]

    def _start_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._position = 0
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._source))
        self._order: list[int] = order.tolist()


def sequential_batches(
    source: ImageSource, batch_size: SupportsIndex, limit: SupportsIndex | None = None
) -> Iterator[tuple[range, IntegerImages]]:
    """Go through the images once, in order, with their indices.

    Args:
        source: The images.
        batch_size: Number of images in a batch; the last may hold fewer.
        limit: Stop after this many images.

    Returns:
        Pairs of indices and images, ``(B, C, H, W)``, uint8.

    Raises:
        DataError: There are no images.
        OptionError: The batch size or the limit is not positive.
    """
    batch_size = _check(source, batch_size)
    if limit is not None:
        limit = positive_integer("the number of images", limit)
    end = len(source) if limit is None else min(limit, len(source))
    starts = range(0, end, batch_size)
    batches = (range(start, min(start + batch_size, end)) for start in starts)
    return ((indices, source.take(indices)) for indices in batches)


def spread(count: int, wanted: int, offset: float = 0.0) -> list[int]:
    """Return up to ``wanted`` places, spread evenly over ``range(count)``.

    Args:
        count: Number of places.
        wanted: Number of places to choose.
        offset: Position of a place in its stretch, at least 0 and below 1.

    >>> spread(10, 4), spread(2, 4), spread(10, 2, 0.5)
    ([0, 2, 5, 7], [0, 1], [2, 7])
    """
    found = min(count, wanted)
    return [int((place + offset) * count / found) for place in range(found)]


def _check(source: ImageSource, batch_size: SupportsIndex) -> int:
    batch_size = positive_integer("the batch size", batch_size)
    if len(source) == 0:
        raise DataError("the split holds no images. Use a data set with more images")
    return batch_size
