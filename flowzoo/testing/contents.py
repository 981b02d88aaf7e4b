"""Digests of a data set's images, which show whether two images, or two loads, are the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from flowzoo.data.batches import spread
from flowzoo.data.dataset import SPLITS, Dataset, ImageSource
from flowzoo.shapes import IntegerImages

AFFORDABLE = 2**28
"""Largest number of values of a split that is read as a whole. From larger splits, only some images are
read."""

_AT_ONCE = 500


@dataclass(frozen=True)
class Contents:
    """A split's images, by digest.

    Attributes:
        digests: One for each image, in their order.
        whole: Whether they are those of all images.
    """

    digests: tuple[bytes, ...]
    whole: bool

    def same_images(self, other: Contents) -> bool:
        """Whether both hold the same images, in any order."""
        return sorted(self.digests) == sorted(other.digests)


def read_contents(dataset: Dataset) -> dict[str, Contents]:
    """Return what each split holds."""
    return {split: read_split(dataset.split(split)) for split in SPLITS}


def read_split(source: ImageSource) -> Contents:
    """Return what a split holds."""
    places = affordable(source)
    digests = [each for images in batches(source, places) for each in map(_digest, images)]
    return Contents(tuple(digests), whole=len(places) == len(source))


def affordable(source: ImageSource) -> Sequence[int]:
    """Return the places of the images that can be looked at: all of them, or as many as time allows."""
    if not len(source):
        return range(0)
    most = max(1, AFFORDABLE // source.take([0]).numel())
    return range(len(source)) if len(source) <= most else spread(len(source), most)


def batches(source: ImageSource, places: Sequence[int]) -> Iterator[IntegerImages]:
    """Yield the images at some places, in that order; they may be too many to keep."""
    for start in range(0, len(places), _AT_ONCE):
        yield source.take(places[start : start + _AT_ONCE])


def _digest(image: torch.Tensor) -> bytes:
    return hashlib.blake2b(image.numpy().tobytes(), digest_size=16).digest()
