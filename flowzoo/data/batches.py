"""Batches of integer images: shuffled without end for training, in order for evaluation."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple, SupportsIndex

import numpy as np
import torch
from torch import Tensor

from flowzoo.data.dataset import ImageSource
from flowzoo.errors import DataError
from flowzoo.integers import positive_integer
from flowzoo.shapes import IntegerImages


class Batch(NamedTuple):
    """Images of a batch and their labels.

    Attributes:
        images: ``(B, C, H, W)``, uint8.
        labels: The class of each image, ``(B,)``; None for images without labels.
    """

    images: IntegerImages
    labels: Tensor | None


class ShuffledBatches(Iterator[IntegerImages]):
    """Endless batches in random order, each image once an epoch.

    A batch that reaches the end of an epoch is filled from the next, so all batches have the same size. The
    order of an epoch depends on ``seed`` and the epoch's number alone, and no other random state is touched.
    Which images are mirrored depends on the same two alone, and the order is the same with and without.

    Args:
        source: The images.
        batch_size: Number of images in a batch.
        seed: Random seed of the order.
        flips: Mirror each image left to right with probability 1/2.
        part: The part of each batch that is wanted, where other processes take the rest. Only that is read.

    Raises:
        DataError: There are no images.
        OptionError: The batch size is not positive.
    """

    def __init__(
        self,
        source: ImageSource,
        batch_size: SupportsIndex,
        seed: int,
        flips: bool = False,
        part: slice = slice(None),
    ) -> None:
        self._flips = flips
        self._batch_size = _check(source, batch_size)
        self._source = source
        self._part = part
        self._seed = seed
        self._planned: deque[_Planned] = deque()
        self._images: Iterator[IntegerImages] = iter(())
        self._begin(0, 0)

    def __next__(self) -> IntegerImages:
        return self.take().images

    def take(self) -> Batch:
        """Return the next batch with its labels."""
        images = next(self._images)
        planned = self._planned.popleft()
        self._epoch, self._position = planned.epoch, planned.position
        labels = self._source.labels_at(planned.indices)
        return Batch(_mirror(images, planned.mirrored) if self._flips else images, labels)

    def state(self) -> dict[str, int]:
        """Return the present state as plain data, from which :meth:`restore` continues exactly."""
        return {
            "seed": self._seed,
            "epoch": self._epoch,
            "position": self._position,
            "images": len(self._source),
        }

    def close(self) -> None:
        """End the processes that read ahead, if there are any; the next batch starts them again."""
        self._begin(self._epoch, self._position)

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
        self._begin(state["epoch"], state["position"])

    def _begin(self, epoch: int, position: int) -> None:
        self._epoch, self._position = epoch, position
        self._planned = deque()
        self._images = self._source.stream(self._plans(epoch, position, self._planned))

    def _plans(self, epoch: int, position: int, planned: deque[_Planned]) -> Iterator[list[int]]:
        """Yield the images of each batch. A source that reads ahead takes more of them than were used."""
        order, flipped = self._epoch_of(epoch)
        while True:
            indices: list[int] = []
            mirrored: list[bool] = []
            while len(indices) < self._batch_size:
                if position == len(order):
                    epoch, position = epoch + 1, 0
                    order, flipped = self._epoch_of(epoch)
                place = slice(position, position + self._batch_size - len(indices))
                indices += order[place]
                mirrored += flipped[place]
                position = min(place.stop, len(order))
            planned.append(_Planned(indices[self._part], mirrored[self._part], epoch, position))
            yield indices[self._part]

    def _epoch_of(self, epoch: int) -> tuple[list[int], list[bool]]:
        """Return the order of the images in an epoch, and which of them are mirrored."""
        rng = np.random.default_rng((self._seed, epoch))
        order: list[int] = rng.permutation(len(self._source)).tolist()
        return order, (rng.random(len(self._source)) < 0.5).tolist() if self._flips else []


class _Planned(NamedTuple):
    """A batch that is to be read.

    Attributes:
        indices: Its images.
        mirrored: Which of its images are mirrored.
        epoch: Number of the epoch in which it ends.
        position: How many images of that epoch are used up then.
    """

    indices: list[int]
    mirrored: list[bool]
    epoch: int
    position: int


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
    batches = [range(start, min(start + batch_size, end)) for start in starts]
    return zip(batches, source.stream(batches), strict=True)


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


def _mirror(images: IntegerImages, mirrored: list[bool]) -> IntegerImages:
    return torch.where(torch.tensor(mirrored)[:, None, None, None], images.flip(-1), images)


def _check(source: ImageSource, batch_size: SupportsIndex) -> int:
    batch_size = positive_integer("the batch size", batch_size)
    if len(source) == 0:
        raise DataError("the split holds no images. Use a data set with more images")
    return batch_size
