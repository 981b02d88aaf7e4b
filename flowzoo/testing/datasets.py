"""Checks of data sets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor

from flowzoo.data.batches import sequential_batches
from flowzoo.data.dataset import SPLITS, Dataset, ImageSource
from flowzoo.registry.build import build_component
from flowzoo.testing.files import require_files
from flowzoo.testing.result import require
from flowzoo.testing.trial import Trial

LOOK_AT = 200
"""Images of each split that are looked at, evenly spaced."""


def describes_itself(trial: Trial) -> None:
    """What must stand beside a figure is stated, and the recommended pixel transform can be built."""
    dataset = _load(trial)
    info = dataset.info
    for field in ("revision", "licence", "source"):
        require(bool(getattr(info, field).strip()), f"{field} is empty")
    require(
        info.name == trial.component.name, f"its name is '{info.name}', expected '{trial.component.name}'"
    )
    require(2 <= info.bins <= 256, f"bins is {info.bins}, expected 2..256 for uint8 images")
    for split in SPLITS:
        size = len(dataset.split(split))
        require(size > 0, f"split '{split}' is empty")
        require(
            info.sizes.get(split) == size,
            f"sizes states {info.sizes.get(split)} for '{split}', it has {size}",
        )
    options = dict(info.pixels)
    build_component("bijector", options.pop("name"), info.shape, None, **options)


def holds_integers(trial: Trial) -> None:
    """Images are uint8 of the stated shape, with values in ``{0, ..., bins - 1}``."""
    dataset = _load(trial)
    for split in SPLITS:
        images = _look(dataset.split(split))
        shape = tuple(images.shape[1:])
        require(images.dtype == torch.uint8, f"split '{split}' is in {images.dtype}, expected uint8")
        require(
            shape == dataset.info.shape, f"split '{split}' has shape {shape}, stated is {dataset.info.shape}"
        )
        largest = int(images.max())
        require(
            largest < dataset.info.bins,
            f"split '{split}' holds {largest}, stated are {dataset.info.bins} bins",
        )


def takes_by_index(trial: Trial) -> None:
    """Images come in the order asked for, however often."""
    for split in SPLITS:
        source = _load(trial).split(split)
        last = len(source) - 1
        first, *middle, final_image = source.take([0, last, last, 0])
        require(torch.equal(first, final_image), f"split '{split}' gives two images at index 0")
        require(torch.equal(middle[0], middle[1]), f"split '{split}' gives two images at index {last}")
        require(torch.equal(source.take([last])[0], middle[0]), f"split '{split}' mixes up indices")


def loads_the_same(trial: Trial) -> None:
    """Two loads give the same images in the same order, under the same revision."""
    first, second = _load(trial), _load(trial)
    require(first.info == second.info, "two loads describe themselves differently")
    for split in SPLITS:
        same = torch.equal(_look(first.split(split)), _look(second.split(split)))
        require(same, f"two loads differ in split '{split}'")


def keeps_splits_apart(trial: Trial) -> None:
    """Splits do not hold one another's images; a few that the source itself holds twice are allowed."""
    dataset = _load(trial)
    for looked_at, other in (("test", "train"), ("validation", "train"), ("test", "validation")):
        known = set(_digests(dataset.split(other)))
        images = _look(dataset.split(looked_at))
        shared = sum(_digest(image) in known for image in images)
        require(
            shared <= 0.1 * len(images), f"{shared} of {len(images)} images of '{looked_at}' are in '{other}'"
        )


def _load(trial: Trial) -> Dataset:
    require_files(trial.component, trial.check.options)
    dataset: Dataset = trial.build()
    return dataset


def _look(source: ImageSource) -> Tensor:
    step = max(1, len(source) // LOOK_AT)
    return source.take(range(0, len(source), step))


def _digests(source: ImageSource) -> Iterator[bytes]:
    """Yield what identifies each image; the images themselves may be too many to keep."""
    for _, images in sequential_batches(source, batch_size=500):
        yield from map(_digest, images)


def _digest(image: Tensor) -> bytes:
    return hashlib.blake2b(image.numpy().tobytes(), digest_size=16).digest()
