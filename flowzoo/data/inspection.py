"""Reads all images of a data set once, so that damaged ones are found before any work begins."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flowzoo.data.dataset import SPLITS, Dataset, DatasetInfo, Inspection
from flowzoo.errors import DataError
from flowzoo.shapes import IntegerImages

_AT_ONCE = 256

_NAMED = 5
"""Number of damaged images that an error names; it states how many more there are."""


@dataclass(frozen=True)
class Findings:
    """The result of reading all images of a data set.

    Attributes:
        changed: How many images' values were changed on the way from their files, for each kind of change.
        shared: Number of images of one split that are in another one too, by ``"test in train"``.
    """

    changed: Mapping[str, int]
    shared: Mapping[str, int]


def inspect_dataset(
    dataset: Dataset, progress: Callable[[int, int], object] = lambda done, total: None
) -> Findings:
    """Read every image of a data set once.

    Args:
        dataset: Any data set.
        progress: Called with the number of images that are done, and with the number of all.

    Raises:
        DataError: Some cannot be read, or are not what the data set says; it names the first few.
    """
    total = sum(len(dataset.split(split)) for split in SPLITS)
    done = 0
    damaged: list[str] = []
    changed = Counter(dataset.info.changed)
    digests: dict[str, NDArray[np.uint64]] = {}
    for split in SPLITS:
        found: list[NDArray[np.uint64]] = []
        for indices, inspection in _inspections(dataset, split):
            damaged += inspection.damaged
            changed += inspection.changed
            found.append(_digests(inspection.images))
            done += len(indices)
            progress(done, total)
        digests[split] = np.concatenate(found)
    refuse_damaged(damaged, total)
    return Findings(dict(changed), _shared(digests))


def inspect_split(dataset: Dataset, split: str) -> None:
    """Read every image of one split once; arguments and errors as in :func:`inspect_dataset`."""
    damaged = [each for _, inspection in _inspections(dataset, split) for each in inspection.damaged]
    refuse_damaged(damaged, len(dataset.split(split)))


def refuse_damaged(damaged: Sequence[str], total: int) -> None:
    """Raise an error that names damaged images, if there are any.

    Args:
        damaged: The error of each damaged image, with its name.
        total: Number of images that were read.

    Raises:
        DataError: There are damaged images.
    """
    if len(damaged) == 1:
        raise DataError(damaged[0])
    if damaged:
        more = f" | and {len(damaged) - _NAMED} more" if len(damaged) > _NAMED else ""
        raise DataError(
            f"{len(damaged)} of {total} images cannot be used: {' | '.join(damaged[:_NAMED])}{more}"
        )


def _inspections(dataset: Dataset, split: str) -> Iterator[tuple[range, Inspection]]:
    source = dataset.split(split)
    starts = range(0, len(source), _AT_ONCE)
    batches = [range(start, min(start + _AT_ONCE, len(source))) for start in starts]
    for indices, found in zip(batches, source.inspections(batches), strict=True):
        wrong = _wrong(found.images, dataset.info, split)
        yield indices, replace(found, damaged=(*found.damaged, *wrong))


def _wrong(images: IntegerImages, info: DatasetInfo, split: str) -> list[str]:
    where = f"{info.name}, split '{split}'"
    if len(images) == 0:
        return []
    if tuple(images.shape[1:]) != tuple(info.shape):
        return [
            f"{where}: images have shape {tuple(images.shape[1:])}, but the data set states "
            f"{tuple(info.shape)}"
        ]
    if int(images.max()) >= info.bins:
        return [
            f"{where}: an image holds the value {int(images.max())}, but the data set states {info.bins} bins"
        ]
    return []


def _digests(images: IntegerImages) -> NDArray[np.uint64]:
    each = [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images.numpy()]
    return np.frombuffer(b"".join(each), np.uint64)


def _shared(digests: Mapping[str, NDArray[np.uint64]]) -> dict[str, int]:
    """Return the number of test and validation images that are also training images."""
    counts = {
        f"{split} in {other}": int(np.isin(digests[split], digests[other]).sum())
        for split, other in (("validation", "train"), ("test", "train"), ("test", "validation"))
    }
    return {where: count for where, count in counts.items() if count}
