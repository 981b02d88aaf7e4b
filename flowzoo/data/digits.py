"""scikit-learn's handwritten digits, the data set that needs no download."""

from __future__ import annotations

from flowzoo.data.dataset import Dataset
from flowzoo.data.memory import in_memory


def build_digits() -> Dataset:
    """Load the digits: 1,797 grey 8x8 images with values 0..16.

    The first 1,500 are for training, the last 150 of those for validation, the other 297 for testing.

    References:
        Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
        1998.
    """
    from sklearn.datasets import load_digits

    images = load_digits().images[:, None]
    return in_memory(
        "digits",
        {"train": images[:1350], "validation": images[1350:1500], "test": images[1500:]},
        bins=17,  # counts of the set pixels among 4x4: 0..16, both ends included
        licence="CC-BY-4.0",
        source="scikit-learn's load_digits, from UCI's Optical Recognition of Handwritten Digits",
        pixels={"name": "logit", "alpha": 1e-3},
    )
