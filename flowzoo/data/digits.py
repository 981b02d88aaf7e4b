"""scikit-learn's handwritten digits, the data set that needs no download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowzoo.data.dataset import Dataset
from flowzoo.data.memory import in_memory


def build_digits() -> Dataset:
    """Load the digits: 1,797 grey 8x8 images with values 0..16.

    The first 1,500 are for training, the last 150 of those for validation, the other 297 for testing.

    References:
        Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
        1998.
    """
    images = _images()
    return in_memory(
        "digits",
        {"train": images[:1350], "validation": images[1350:1500], "test": images[1500:]},
        bins=17,  # counts of the set pixels among 4x4: 0..16, both ends included
        licence="CC-BY-4.0",
        source="scikit-learn's load_digits, from UCI's Optical Recognition of Handwritten Digits",
        pixels={"name": "logit", "alpha": 1e-3},
    )


def _images() -> NDArray[Any]:
    """Return scikit-learn's digits, ``(1797, 1, 8, 8)``."""
    spec = find_spec("sklearn")
    if spec is not None and spec.origin is not None:
        # Every process that trains on digits reads them, and importing scikit-learn for it takes a second.
        table = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
        if table.is_file():
            return np.loadtxt(table, np.uint8, delimiter=",")[:, :-1].reshape(-1, 1, 8, 8)
    from sklearn.datasets import load_digits

    digits: NDArray[Any] = load_digits().images[:, None]
    return digits
