"""Patches of the colour photographs that scikit-image and scikit-learn hold."""

from __future__ import annotations

from importlib import resources
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from flowzoo.data.dataset import Dataset
from flowzoo.data.memory import in_memory
from flowzoo.errors import DataError

SHUFFLE_SEED = 0

PHOTOGRAPHS = {
    "train": (
        ("skimage.data", "astronaut.png"),
        ("skimage.data", "hubble_deep_field.jpg"),
        ("skimage.data", "motorcycle_left.png"),
        ("sklearn.datasets.images", "flower.jpg"),
    ),
    "validation": (("skimage.data", "chelsea.png"),),
    "test": (
        ("skimage.data", "coffee.png"),
        ("skimage.data", "rocket.jpg"),
        ("sklearn.datasets.images", "china.jpg"),
    ),
}
"""The photographs of each split: the package that holds each, and its file there."""

LARGEST = (512, 640)
"""Height and width of the part in the middle that is used of a larger photograph, so that none dominates."""

_STRIDES = {"train": 3 / 16, "validation": 1 / 2, "test": 1}
"""Distance of patches, in sides of a patch."""


def build_photos(
    *,
    size: Annotated[Literal[16, 32, 64], Field(description="Height and width of a patch.")] = 32,
) -> Dataset:
    """Load colour patches of eight photographs; no photograph is in two splits.

    The photographs are those that come inside the two libraries' packages, so nothing is downloaded: for
    training astronaut, hubble (deep field), motorcycle (the left one) and flower, for validation chelsea, for
    testing coffee, rocket and china. Patches lie on a grid, 3/16 of their side apart in training and 1/2 in
    validation; in testing they do not overlap. Each split is shuffled with a fixed seed, so that any number
    of its first patches shows all its photographs. At 32x32 there are 29,613, 459 and 736 patches.

    This data set is for experiments with colour images. Eight photographs are not representative, and figures
    on it can only be compared with one another.

    Args:
        size: 16, 32 or 64.

    Raises:
        DataError: scikit-image is not installed, or holds no such files.

    References:
        van der Walt et al., "scikit-image: image processing in Python", PeerJ 2:e453, 2014.
        Scharstein et al., "High-Resolution Stereo Datasets with Subpixel-Accurate Ground Truth", GCPR 2014
        (motorcycle).
    """
    patches = {split: _patches_of(split, size) for split in PHOTOGRAPHS}
    return in_memory(
        "photos",
        {split: all_[_order(len(all_))] for split, all_ in patches.items()},
        bins=256,
        licence=(
            "astronaut, hubble, rocket: public domain (NASA, SpaceX); chelsea, coffee: CC0; "
            "china, flower: CC-BY-2.0 (danielbuechele, vultilion on flickr.com); "
            "motorcycle: none stated by scikit-image (Middlebury 2014 stereo benchmark)"
        ),
        source="photographs inside the scikit-image and scikit-learn packages",
        pixels={"name": "logit", "alpha": 0.05},
    )


def _patches_of(split: str, size: int) -> NDArray[np.uint8]:
    """Return all patches of a split's photographs, ``(N, 3, size, size)``, in the photographs' order."""
    stride = round(size * _STRIDES[split])
    return np.concatenate([_cut(_read(package, name), size, stride) for package, name in PHOTOGRAPHS[split]])


def _cut(photograph: NDArray[np.uint8], size: int, stride: int) -> NDArray[np.uint8]:
    """Return the ``(N, 3, size, size)`` patches of a ``(H, W, 3)`` photograph's centre, row by row."""
    inside = tuple(
        slice((have - min(have, most)) // 2, (have + min(have, most)) // 2)
        for have, most in zip(photograph.shape[:2], LARGEST, strict=True)
    )
    windows = np.lib.stride_tricks.sliding_window_view(photograph[inside], (size, size), axis=(0, 1))
    return windows[::stride, ::stride].reshape(-1, 3, size, size)


def _read(package: str, name: str) -> NDArray[np.uint8]:
    """Return a photograph, ``(H, W, 3)``.

    It is read from the package's own folder: scikit-image's functions would download a missing file.
    """
    try:
        with resources.files(package).joinpath(name).open("rb") as file:
            return np.asarray(Image.open(file).convert("RGB"))
    except ImportError as reason:
        raise DataError(
            "photos cannot be read: scikit-image is not installed. Install it: pip install 'flowzoo[photos]'"
        ) from reason
    except OSError as reason:
        raise DataError(
            f"cannot read {name} in the installed {package}: {reason}. "
            "Install scikit-image 0.24 or newer, and scikit-learn, with pip"
        ) from reason


def _order(count: int) -> NDArray[np.int64]:
    # RandomState, since its streams are the same in every version of NumPy.
    return np.random.RandomState(SHUFFLE_SEED).permutation(count)
