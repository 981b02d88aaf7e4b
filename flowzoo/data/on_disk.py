"""Data sets that are too large for memory: each image is decoded when it is needed."""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from flowzoo.data.batches import spread
from flowzoo.data.dataset import SPLITS, Dataset, DatasetInfo, ImageSource, Inspection
from flowzoo.data.inspection import refuse_damaged
from flowzoo.data.stored import GREY_MODES, Prepare, StoredImages, as_array
from flowzoo.errors import DataError
from flowzoo.shapes import IntegerImages, Shape

MOST_HELD_OUT = 5000
"""Largest number of images held out for validation; a tenth of a small training split."""

_READ_AT_ONCE = 500

FIRST = 8
"""Number of images of each split that are read to find out whether they are the right ones."""

_UNREADABLE = bytes([255] * 8)
"""Replaces the length of an unreadable image in the hash of a split. No image is so long."""


class DecodedImages(ImageSource):
    """Stored images, decoded at each ``take``.

    Args:
        stored: The images.
        prepare: Cuts and scales each image to one size.
        channels: 1 (grey) or 3 (colour).
        where: What the images are, for errors.
        places: The images to use, in order; by default all of them.
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

    @functools.cached_property
    def labels(self) -> Tensor | None:
        """See :attr:`flowzoo.data.dataset.ImageSource.labels`."""
        stored = self._stored.labels
        return None if stored is None else torch.tensor([stored[place] for place in self._places])

    def __len__(self) -> int:
        return len(self._places)

    def take(self, indices: Sequence[int]) -> IntegerImages:
        places = [self._places[index] for index in indices]
        contents = self._stored.read(places)
        arrays = [
            as_array(self._decode(place, content)[0], self._channels)
            for place, content in zip(places, contents, strict=True)
        ]
        return torch.from_numpy(np.stack(arrays))

    def inspect(self, indices: Sequence[int]) -> Inspection:
        arrays: list[NDArray[np.uint8]] = []
        damaged: list[str] = []
        changed: Counter[str] = Counter()
        for place, content in self._contents([self._places[index] for index in indices], damaged):
            try:
                image, changes = self._decode(place, content)
            except DataError as problem:
                damaged.append(str(problem))
            else:
                arrays.append(as_array(image, self._channels))
                changed.update(changes)
        images = torch.from_numpy(np.stack(arrays)) if arrays else torch.zeros(0, 1, 1, 1, dtype=torch.uint8)
        return Inspection(images, tuple(damaged), changed)

    def _contents(self, places: Sequence[int], damaged: list[str]) -> Iterator[tuple[int, bytes]]:
        """Yield what is stored at places. Errors of unreadable images are added to ``damaged``."""
        try:
            contents = self._stored.read(places)
        except DataError:
            for place in places:
                try:
                    (content,) = self._stored.read([place])
                except DataError as problem:
                    damaged.append(str(problem))
                else:
                    yield place, content
        else:
            yield from zip(places, contents, strict=True)

    def _decode(self, place: int, content: bytes) -> tuple[Image.Image, list[str]]:
        """Return a prepared image, and the changes of its values until it is an array."""
        try:
            decoded, changes = self._stored.decode_explained(content)
            image = self._prepare(decoded)
        except DataError as reason:
            raise DataError(f"{self._where}: {self._stored.label(place)} {reason}") from reason
        grey = decoded.mode in GREY_MODES
        further = {
            "grey repeated for colour": grey and self._channels == 3,
            "colour weighted for grey": not grey and self._channels == 1,
            "scaled up, from fewer pixels than asked for": decoded.width < image.width
            or decoded.height < image.height,
        }
        return image, [*changes, *(change for change, happens in further.items() if happens)]


def on_disk(
    name: str,
    stored: Mapping[str, StoredImages],
    *,
    shape: Shape,
    prepare: Prepare,
    licence: str,
    source: str,
    pixels: Mapping[str, Any],
    skipped: Mapping[str, int] | None = None,
    flips: bool = False,
) -> Dataset:
    """Make a data set of stored images with values 0..255.

    Without a validation split, up to :data:`MOST_HELD_OUT` of the training images are held out for it. They
    are spread evenly, since files often come sorted by class.

    Each split is shuffled, always in the same way, since its first images would often be of one class.

    The revision is a hash of name, shape and images as they are stored. It depends neither on paths nor on
    how images are divided among files, but does on their encoding. Each load reads all of them for it. Each
    split has one of its own besides.

    An image that cannot be read is part of the revision of its split, and raises an error when it is taken.

    Args:
        name: The data set's registered name.
        stored: ``train``, ``test`` and perhaps ``validation``.
        shape: ``(C, H, W)`` of every image once prepared.
        prepare: Cuts and scales each image to that height and width.
        licence: Licence of the images.
        source: Where they come from.
        pixels: The recommended pixel transform.
        skipped: Number of skipped files, for each reason.
        flips: Whether training mirrors each image with probability 1/2.

    Raises:
        DataError: A split is empty, or none of its first images can be used.
    """
    places: dict[str, Sequence[int]] = {split: range(len(images)) for split, images in stored.items()}
    if "validation" not in stored:
        places["train"], places["validation"] = hold_out(len(stored["train"]))
    sources: dict[str, DecodedImages] = {}
    for split in SPLITS:
        where = f"{name}, split '{split}'"
        if len(places[split]) == 0:
            held_out = "validation" not in stored and len(stored["train"]) == 1
            why = " (the only one to train on is held out for validation)" if held_out else ""
            raise DataError(f"{where}: there are no images{why}. Add more images to the folder")
        images = stored.get(split, stored["train"])
        sources[split] = DecodedImages(images, prepare, shape[0], where, shuffled(places[split]))
    revision, revisions = _content_hashes(name, stored, places, shape)
    _refuse_wrong_images(sources.values())
    info = DatasetInfo(
        name=name,
        revision=revision,
        shape=shape,
        bins=256,
        licence=licence,
        source=source,
        pixels=dict(pixels),
        sizes={split: len(sources[split]) for split in SPLITS},
        revisions=revisions,
        skipped=dict(skipped or {}),
        flips=flips,
        classes=_classes(stored.values()),
    )
    return Dataset(info, sources)


def _classes(stored: Collection[StoredImages]) -> tuple[str, ...]:
    """Return the names of the classes, if all splits have labels with the same names."""
    found = {each.classes for each in stored}
    return found.pop() if len(found) == 1 else ()


def decode_all(source: DecodedImages) -> tuple[IntegerImages, Counter[str]]:
    """Return all images of a source that fits in memory, and the number of changed ones.

    Raises:
        DataError: Some images cannot be used; the message names the first few.
    """
    found = source.inspect(range(len(source)))
    refuse_damaged(found.damaged, len(source))
    return found.images, found.changed


def hold_out(count: int) -> tuple[list[int], list[int]]:
    """Return the places of images to train on and to validate on, a tenth of ``count``, spread evenly.

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


def _content_hashes(
    name: str, stored: Mapping[str, StoredImages], places: Mapping[str, Sequence[int]], shape: Shape
) -> tuple[str, dict[str, str]]:
    """Return a hash of all images, and one of each split's."""
    # Two data sets may prepare the same files in two ways, so name and shape count too.
    head = f"{name}:{shape}:".encode()
    digest = hashlib.sha256(head)
    splits = {split: hashlib.sha256(head) for split in SPLITS}
    held_out = set() if "validation" in stored else set(places["validation"])
    for split in SPLITS:
        images = stored.get(split)
        if images is None:
            continue
        digest.update(f"{split}:{len(images)}:".encode())
        for place, content in _contents(images):
            own = splits["validation" if split == "train" and place in held_out else split]
            for each in (digest, own):
                each.update(_UNREADABLE if content is None else len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()[:16], {split: each.hexdigest()[:16] for split, each in splits.items()}


def _contents(images: StoredImages) -> Iterator[tuple[int, bytes | None]]:
    """Yield what is stored for each image; None if it cannot be read."""
    for start in range(0, len(images), _READ_AT_ONCE):
        indices = range(start, min(start + _READ_AT_ONCE, len(images)))
        try:
            yield from zip(indices, images.read(indices), strict=True)
        except DataError:
            yield from ((index, _read_one(images, index)) for index in indices)


def _read_one(images: StoredImages, index: int) -> bytes | None:
    try:
        return images.read([index])[0]
    except DataError:
        return None


def _refuse_wrong_images(sources: Collection[DecodedImages]) -> None:
    """Refuse a split if none of its first images can be used, since they are the wrong images.

    Some damaged images are allowed here. Training reads all images before it begins, and names
    them; the evaluation of another split does not need them.
    """
    for source in sources:
        first = source.inspect(range(min(len(source), FIRST)))
        if len(first.images) == 0:
            refuse_damaged(first.damaged, len(first.damaged))
