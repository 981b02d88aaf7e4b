"""Data sets that are too large for memory: images are decoded as they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from flowzoo.data.batches import spread
from flowzoo.data.dataset import SPLITS, Dataset, DatasetInfo, ImageSource
from flowzoo.data.stored import Prepare, StoredImages, as_array
from flowzoo.errors import DataError
from flowzoo.shapes import IntegerImages, Shape

MOST_HELD_OUT = 5000
"""Images held out for validation, at most; a tenth of a small training split."""

_READ_AT_ONCE = 500


class DecodedImages(ImageSource):
    """Stored images, decoded at each ``take``.

    Args:
        stored: The images.
        prepare: Brings each to one size.
        channels: 1 (grey) or 3 (colour).
        where: What the images are, for errors.
        places: Which of the images, in which order; all of them by default.
    """

    def __init__(
        self,
        stored: StoredImages,
        prepare: Prepare,
        channels: int,
        where: str,
        places: Sequence[int] | None = None,
    ) -> None:
        self._stored = stored
        self._prepare = prepare
        self._channels = channels
        self._where = where
        self._places = range(len(stored)) if places is None else places

    def __len__(self) -> int:
        return len(self._places)

    def take(self, indices: Sequence[int]) -> IntegerImages:
        places = [self._places[index] for index in indices]
        arrays = []
        for place, content in zip(places, self._stored.read(places), strict=True):
            try:
                image = self._prepare(self._stored.decode(content))
            except DataError as reason:
                raise DataError(f"{self._where}: {self._stored.label(place)} {reason}") from reason
            arrays.append(as_array(image, self._channels))
        return torch.from_numpy(np.stack(arrays))


def on_disk(
    name: str,
    stored: Mapping[str, StoredImages],
    *,
    shape: Shape,
    prepare: Prepare,
    licence: str,
    source: str,
    pixels: Mapping[str, Any],
) -> Dataset:
    """Make a data set of stored images with values 0..255.

    Without a validation split, up to :data:`MOST_HELD_OUT` of the training images are held out for it. They
    are spread evenly, since files often come sorted by class.

    Each split comes shuffled, the same way every time, since its first images would often be of one class.

    The revision is a hash of name, shape and images as they are stored. It depends neither on paths nor on
    how images are divided among files, but does on their encoding. Each load reads all of them for it.

    Args:
        name: The data set's registered name.
        stored: ``train``, ``test`` and perhaps ``validation``.
        shape: ``(C, H, W)`` of every image once prepared.
        prepare: Brings each image to that height and width.
        licence: Under which the images may be used.
        source: Where they come from.
        pixels: The recommended pixel transform.

    Raises:
        DataError: A split is empty, or its first image is damaged or does not belong.
    """
    places: dict[str, Sequence[int]] = {split: range(len(images)) for split, images in stored.items()}
    if "validation" not in stored:
        places["train"], places["validation"] = hold_out(len(stored["train"]))
    sources = {}
    for split in SPLITS:
        where = f"{name}, split '{split}'"
        if len(places[split]) == 0:
            raise DataError(f"{where}: there are no images; use a source that holds more of them")
        images = stored.get(split, stored["train"])
        sources[split] = DecodedImages(images, prepare, shape[0], where, shuffled(places[split]))
        sources[split].take([0])  # the wrong images are refused now, not in the midst of a run
    info = DatasetInfo(
        name=name,
        revision=_content_hash(name, stored, shape),
        shape=shape,
        bins=256,
        licence=licence,
        source=source,
        pixels=dict(pixels),
        sizes={split: len(sources[split]) for split in SPLITS},
    )
    return Dataset(info, sources)


def hold_out(count: int) -> tuple[list[int], list[int]]:
    """Return which of ``count`` images to train on, and which to validate on: a tenth, spread evenly.

    >>> hold_out(20)
    ([0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19], [5, 15])
    """
    validation = spread(count, min(max(1, count // 10), MOST_HELD_OUT), 0.5)
    held_out = set(validation)
    return [place for place in range(count) if place not in held_out], validation


def shuffled(places: Sequence[int]) -> list[int]:
    """Return the places in an order that looks random and is always the same.

    >>> shuffled(range(5)) == shuffled(range(5)), sorted(shuffled(range(5)))
    (True, [0, 1, 2, 3, 4])
    """
    order = np.random.default_rng(0).permutation(len(places))
    return [places[place] for place in order.tolist()]


def _content_hash(name: str, stored: Mapping[str, StoredImages], shape: Shape) -> str:
    # Two data sets may prepare the same files in two ways, so name and shape count too.
    digest = hashlib.sha256(f"{name}:{shape}:".encode())
    for split in SPLITS:
        images = stored.get(split)
        if images is None:
            continue
        digest.update(f"{split}:{len(images)}:".encode())
        for start in range(0, len(images), _READ_AT_ONCE):
            for content in images.read(range(start, min(start + _READ_AT_ONCE, len(images)))):
                digest.update(len(content).to_bytes(8, "big"))
                digest.update(content)
    return digest.hexdigest()[:16]
