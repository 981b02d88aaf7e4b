"""Makes a data set from what a user gives in Python: a name, a data set, or arrays of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from flowzoo.data.batches import spread
from flowzoo.data.dataset import SPLITS, Dataset
from flowzoo.data.load import load_dataset
from flowzoo.data.memory import in_memory
from flowzoo.data.on_disk import hold_out
from flowzoo.errors import DataError, UnknownNameError, did_you_mean

Array = NDArray[Any] | Tensor

Data = str | Path | Dataset | Array | Mapping[str, Array]
"""A data set's name, a folder of images, a data set, an array of images, or arrays by split."""

IN_MEMORY = "in memory"
"""The name of a data set that was made from arrays. No registered one can have it."""


def as_dataset(data: Data, bins: int = 256) -> Dataset:
    """Return a data set to train and to evaluate on.

    Args:
        data: The name of a data set, or a folder of images as a ``Path``; a data set; an array of images,
            ``(N, C, H, W)``, uint8; or a mapping of ``train``, ``test`` and perhaps ``validation`` to such
            arrays. One array is divided: one image in ten, spread evenly, is for testing. Without validation
            images, a tenth of those to train on is held out.
        bins: Number of integers that a value of an array can take.

    Raises:
        DataError: The arrays do not hold such images.
        UnknownNameError: There is no data set of that name, or no split.
        FlowzooError: As in :func:`~flowzoo.data.load.load_dataset`.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | Path):
        return load_dataset(data)
    return _described(_divided(data), bins)


def only_to_evaluate(images: Array, bins: int = 256) -> Dataset:
    """Return a data set whose only split is ``test``, with all images of an array."""
    return _described({"test": _images(images, "the images")}, bins)


def is_array(data: object) -> TypeGuard[Array]:
    """Whether data are one array of images."""
    return isinstance(data, np.ndarray | Tensor)


def _divided(data: Array | Mapping[str, Array]) -> dict[str, NDArray[Any]]:
    if not isinstance(data, Mapping):
        images = _images(data, "the images")
        if len(images) < 3:
            raise DataError(
                f"there are {len(images)} images, and at least 3 are needed to train and to evaluate"
            )
        test = spread(len(images), max(1, len(images) // 10), 0.5)
        splits = {"train": np.delete(images, test, axis=0), "test": images[test]}
    else:
        for name in data:
            if name not in SPLITS:
                hint = did_you_mean(str(name), SPLITS) or ";"
                raise UnknownNameError(f"no split is called '{name}'{hint} splits: {', '.join(SPLITS)}")
        splits = {name: _images(images, f"the split '{name}'") for name, images in data.items()}
        missing = next((name for name in ("train", "test") if name not in splits), None)
        if missing:
            raise DataError(
                f"the split '{missing}' is missing. Give the images as {{'train': ..., 'test': ...}}"
            )
    if "validation" not in splits:
        if len(splits["train"]) < 2:
            raise DataError("there is one image to train on, and none for validation. Give more images")
        kept, held_out = hold_out(len(splits["train"]))
        splits |= {"train": splits["train"][kept], "validation": splits["train"][held_out]}
    return {name: splits[name] for name in SPLITS if name in splits}


def _images(given: Array, what: str) -> NDArray[Any]:
    if not is_array(given):
        raise DataError(
            f"{what} are a {type(given).__name__}. Give a NumPy array or a tensor of shape (N, C, H, W), the "
            "name of a data set, or what flowzoo.load_dataset returns"
        )
    images = _array_of(given, what) if isinstance(given, Tensor) else given
    if images.ndim == 3:
        raise DataError(
            f"{what} have shape {images.shape}. For grey images, add the channel: images[:, None]"
        )
    if images.ndim != 4:
        raise DataError(f"{what} have shape {images.shape}, expected (N, C, H, W)")
    if images.shape[3] in (1, 3) and images.shape[1] not in (1, 3):
        raise DataError(
            f"{what} have shape {images.shape}, with channels last. Put them first: "
            "images.transpose(0, 3, 1, 2) for an array, images.permute(0, 3, 1, 2) for a tensor"
        )
    return images


def _array_of(images: Tensor, what: str) -> NDArray[Any]:
    try:
        return images.detach().cpu().numpy()
    except (NotImplementedError, RuntimeError, TypeError) as error:  # sparse, without values, bfloat16
        kind = f"{images.dtype} and layout {images.layout} on the device '{images.device}'"
        raise DataError(
            f"{what} are a tensor of {kind}, which is no NumPy array. Give a dense tensor of uint8"
        ) from error


def _described(splits: Mapping[str, NDArray[Any]], bins: int) -> Dataset:
    return in_memory(
        IN_MEMORY,
        splits,
        bins=bins,
        licence="that of the images",
        source="arrays in memory",
        pixels={"name": "logit", "alpha": 0.05},
    )
