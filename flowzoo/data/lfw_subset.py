"""The hundred faces that scikit-image holds."""

from __future__ import annotations

from importlib import resources

import numpy as np
from numpy.typing import NDArray

from flowzoo.data.dataset import Dataset
from flowzoo.data.memory import in_memory
from flowzoo.errors import DataError


def build_lfw_subset() -> Dataset:
    """Load 100 grey faces, 24x24, of Labeled Faces in the Wild.

    They are the first half of scikit-image's ``lfw_subset``; the other half shows no faces. It stores values
    between 0 and 1, rounded to 256 levels here, and 25x25 pixels, of which the last row and column are left
    out. The first 30 are for training, the next 10 for validation and the last 60 for testing: too few
    to train on, but enough to ask a model of other images about them.

    Raises:
        DataError: scikit-image is not installed, or holds no such file.

    References:
        Huang, Ramesh, Berg and Learned-Miller, "Labeled Faces in the Wild", University of Massachusetts,
        2007.
        van der Walt et al., "scikit-image: image processing in Python", PeerJ 2:e453, 2014.
    """
    faces = np.rint(_read()[:100, None, :24, :24] * 255).astype(np.uint8)
    return in_memory(
        "lfw-subset",
        {"train": faces[:30], "validation": faces[30:40], "test": faces[40:]},
        bins=256,
        licence="none stated by scikit-image; photographs of the press, collected for research",
        source="scikit-image's lfw_subset, from vis-www.cs.umass.edu/lfw",
        pixels={"name": "logit", "alpha": 0.05},
    )


def _read() -> NDArray[np.float64]:
    """Return scikit-image's images, ``(200, 25, 25)`` between 0 and 1.

    They are read from the package's own folder: scikit-image's function would download a missing file.
    """
    try:
        with resources.files("skimage.data").joinpath("lfw_subset.npy").open("rb") as file:
            return np.asarray(np.load(file, allow_pickle=False))
    except ImportError as reason:
        raise DataError(
            "lfw-subset cannot be read: scikit-image is not installed. Install it: pip install "
            "'flowzoo[photos]'"
        ) from reason
    except (OSError, ValueError) as reason:
        raise DataError(
            f"cannot read lfw_subset.npy in the installed skimage.data: {reason}. "
            "Install scikit-image 0.24 or newer with pip"
        ) from reason
