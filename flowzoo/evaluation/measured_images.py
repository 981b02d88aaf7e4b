"""Whether images are fit for a figure: the same each time they are read, no copies, and not trained on."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping

from flowzoo.data.batches import spread
from flowzoo.data.dataset import ImageSource
from flowzoo.shapes import IntegerImages, Shape

AGAIN = 16
"""Number of images that are read again."""

ROOM = 64.0
"""Number of bits of an image from which on two equal images are no accident."""

DISTINCT = 0.5
"""Smallest share of a figure's images that have to differ from all others."""

SHARED = 0.1
"""Largest share of a split's images that may be images to train on."""


class MeasuredImages:
    """Digests of the images of a figure.

    Args:
        shape: ``(C, H, W)`` of the images.
        bins: Number of integers that a value can take.
    """

    def __init__(self, shape: Shape, bins: int) -> None:
        self._shape, self._bins = shape, bins
        self._digests: list[bytes] = []

    def add(self, images: IntegerImages) -> None:
        """Note images in the order of the split."""
        self._digests += _digests(images)

    def objections(self, source: ImageSource) -> Iterator[str]:
        """Yield why a figure of these images must not be ranked.

        Args:
            source: Where they were read. Some are read again, each by itself.
        """
        count, distinct = len(self._digests), len(set(self._digests))
        for place in spread(count, AGAIN):
            if _digests(source.take([place])) != [self._digests[place]]:
                yield (
                    f"the data set returned another image {place} when it was read again. A split has to "
                    "hold the same images each time. Report it to the data set's author"
                )
                break
        if distinct < DISTINCT * count and _has_room(self._shape, self._bins):
            yield f"only {distinct} of the {count} images differ. Use a data set without copies of its images"


def trained_on(
    shared: Mapping[str, int], sizes: Mapping[str, int], split: str, shape: Shape, bins: int
) -> Iterator[str]:
    """Yield why a figure must not be ranked if many images of its split are images to train on.

    Args:
        shared: Number of images of one split that are in another one too, by ``"test in train"``.
        sizes: Number of images in each split.
        split: The split of the figure.
        shape: ``(C, H, W)`` of the images.
        bins: Number of integers that a value can take.
    """
    found, count = shared.get(f"{split} in train", 0), sizes.get(split, 0)
    if found > SHARED * count and _has_room(shape, bins):
        yield (
            f"{found} of the {count} images of the split '{split}' are images that the model was trained on. "
            "Use a data set whose splits differ"
        )


def _has_room(shape: Shape, bins: int) -> bool:
    """Whether images of this kind are all different unless they are copies."""
    return math.prod(shape) * math.log2(bins) >= ROOM


def _digests(images: IntegerImages) -> list[bytes]:
    return [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images.cpu().numpy()]
