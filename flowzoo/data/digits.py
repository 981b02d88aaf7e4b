"""scikit-learn's handwritten digits, the data set that needs no download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowzoo.data.dataset import Dataset
from flowzoo.data.memory import in_memory

DIGITS = tuple("0123456789")
"""Names of the classes."""


def build_digits() -> Dataset:
    """Load the digits: 1,797 grey 8x8 images with values 0..16.

    The first 1,500 are for training, the last 150 of those for validation, the other 297 for testing.

    References:
        Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
        1998.
    """
    images, labels = _read()
    return in_memory(
        "digits",
        _splits(images),
        bins=17,  # counts of the set pixels among 4x4: 0..16, both ends included
        licence="CC-BY-4.0",
        source="scikit-learn's load_digits, from UCI's Optical Recognition of Handwritten Digits",
        pixels={"name": "logit", "alpha": 1e-3},
        labels=_splits(labels),
        classes=DIGITS,
    )


def _splits(rows: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {"train": rows[:1350], "validation": rows[1350:1500], "test": rows[1500:]}


def _read() -> tuple[NDArray[Any], NDArray[Any]]:
    """Return scikit-learn's digits, ``(1797, 1, 8, 8)``, and their classes, ``(1797,)``."""
    spec = find_spec("sklearn")
    if spec is not None and spec.origin is not None:
        # Every process that trains on digits reads them, and importing scikit-learn for it takes a second.
        table = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
        if table.is_file():
            rows = np.loadtxt(table, np.uint8, delimiter=",")
            return rows[:, :-1].reshape(-1, 1, 8, 8), rows[:, -1]
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images[:, None], digits.target
