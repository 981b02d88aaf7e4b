"""CIFAR-10, from parquet files, image folders or the hub."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from flowzoo.component import FilePlace
from flowzoo.data.dataset import Dataset
from flowzoo.data.decoded import decoded_in_memory
from flowzoo.data.flips import Flips


def build_cifar10(
    *,
    root: Annotated[
        str | None,
        FilePlace(),
        Field(description="Folder of parquet files, or of folders train and test; without it, the hub."),
    ] = None,
    flips: Flips = False,
) -> Dataset:
    """Load CIFAR-10: 60,000 colour images, 32x32.

    A tenth of the 50,000 training images, 5,000 spread evenly, is for validation; papers mostly train on all.

    Args:
        root: Folder of the hub's parquet files, or of folders ``train`` and ``test`` of image files.
        flips: Mirror half of the images in training.

    Raises:
        DataError: The images cannot be loaded, or are not CIFAR-10's.

    References:
        Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", University of Toronto, 2009.
    """
    return decoded_in_memory(
        "cifar10",
        root,
        repository="uoft-cs/cifar10",
        column="img",
        size=(32, 32),
        licence="its authors state none; part of the 80 Million Tiny Images, which were withdrawn in 2020",
        source="cs.toronto.edu/~kriz/cifar.html",
        flips=flips,
    )
