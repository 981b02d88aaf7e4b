"""Data sets that fit in memory, made from arrays of integers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flowzoo.data.dataset import SPLITS, Dataset, DatasetInfo, TensorImages
from flowzoo.errors import DataError
from flowzoo.shapes import as_shape


def in_memory(
    name: str,
    splits: Mapping[str, NDArray[Any]],
    *,
    bins: int,
    licence: str,
    source: str,
    pixels: Mapping[str, Any],
    skipped: Mapping[str, int] | None = None,
    changed: Mapping[str, int] | None = None,
    flips: bool = False,
    labels: Mapping[str, NDArray[Any]] | None = None,
    classes: Sequence[str] = (),
) -> Dataset:
    """Make a data set from arrays. Their values are checked, and shape, sizes and revision are computed.

    Args:
        name: The data set's registered name.
        splits: ``(N, C, H, W)`` for each of :data:`~flowzoo.data.dataset.SPLITS`, integers in
            ``{0, ..., bins - 1}`` or floats that hold such integers. A registered data set has all of them.
        bins: How many integers a value can take, at most 256.
        licence: Licence of the images.
        source: Where they come from.
        pixels: The recommended pixel transform.
        skipped: How many files were skipped, for each reason.
        changed: How many images had their values changed when they were read, for each kind of change.
        flips: Whether training mirrors each image with probability 1/2.
        labels: The class of each image, ``(N,)`` for each split; None without labels. They are no part of the
            revision, which is that of the images.
        classes: Names of the classes, in the order of their numbers.

    Raises:
        DataError: A split is empty, its images have another shape, or a value is not such an integer; or
            there is not one label for each image, or one without a name.
    """
    present = [split for split in SPLITS if split in splits]
    shape = as_shape(splits[present[0]].shape[1:])
    images: dict[str, NDArray[np.uint8]] = {}
    for split in present:
        where = f"{name}, split '{split}'"
        if len(splits[split]) == 0:
            raise DataError(f"{where}: there are no images. Use a source that holds more of them")
        if splits[split].shape[1:] != shape:
            raise DataError(
                f"{where}: images have shape {splits[split].shape[1:]}, but those to train on have {shape}. "
                "Use images of one size"
            )
        images[split] = _whole_numbers(splits[split], bins, where)
    info = DatasetInfo(
        name=name,
        revision=_content_hash(images),
        shape=shape,
        bins=bins,
        licence=licence,
        source=source,
        pixels=dict(pixels),
        sizes={split: len(images[split]) for split in present},
        revisions={split: _content_hash({split: images[split]}) for split in present},
        skipped=dict(skipped or {}),
        changed=dict(changed or {}),
        flips=flips,
        classes=tuple(classes) if labels is not None else (),
    )
    of_classes = {split: _checked_labels(labels, split, len(images[split]), classes) for split in present}
    sources = {split: TensorImages(torch.from_numpy(images[split]), of_classes[split]) for split in present}
    return Dataset(info, sources)


def _checked_labels(
    labels: Mapping[str, NDArray[Any]] | None, split: str, count: int, classes: Sequence[str]
) -> Tensor | None:
    if labels is None:
        return None
    found = np.asarray(labels[split])
    if found.shape != (count,) or found.dtype.kind not in "ui":
        raise DataError(
            f"split '{split}': labels are {found.dtype} of shape {found.shape}, expected {count} whole "
            "numbers"
        )
    if count and not 0 <= found.min() <= found.max() < len(classes):
        raise DataError(
            f"split '{split}': labels lie in {found.min()}..{found.max()}, and there are names of "
            f"{len(classes)} classes. Name each class, and count from 0"
        )
    return torch.from_numpy(found.astype(np.int64))


def _whole_numbers(values: NDArray[Any], bins: int, where: str) -> NDArray[np.uint8]:
    if values.dtype.kind not in "uif":
        raise DataError(
            f"{where}: the values are of type {values.dtype}. Give integers in 0..{bins - 1}, of type uint8"
        )
    if values.dtype.kind == "f":
        _require(np.isfinite(values), where, "NaN or infinite values. Correct the source")
        _require(
            values == np.rint(values), where, f"fractions. Scale its values to integers in 0..{bins - 1}"
        )
    inside = (values >= 0) & (values < bins)
    _require(
        inside, where, f"values outside 0..{bins - 1}. Is {bins} the right number of bins for this data?"
    )
    return np.array(values, dtype=np.uint8, order="C")


def _require(good: NDArray[np.bool_], where: str, problem: str) -> None:
    if not good.all():
        image = int(np.argwhere(~good)[0][0])
        raise DataError(f"{where}: image {image} of {len(good)} holds {problem}")


def _content_hash(images: Mapping[str, NDArray[np.uint8]]) -> str:
    digest = hashlib.sha256()
    for split in (each for each in SPLITS if each in images):
        digest.update(f"{split}:{images[split].shape}:".encode())
        digest.update(images[split].data)
    return digest.hexdigest()[:16]
