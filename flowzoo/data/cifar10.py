"""CIFAR-10, from parquet files, image folders or the hub."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import numpy as np
from pydantic import Field

from flowzoo.component import FilePlace
from flowzoo.data.dataset import Dataset
from flowzoo.data.flips import Flips
from flowzoo.data.locate import open_images
from flowzoo.data.memory import in_memory
from flowzoo.data.on_disk import DecodedImages, decode_all, hold_out, shuffled
from flowzoo.data.split_names import TEST, TRAIN
from flowzoo.data.stored import exactly

_HUB = "uoft-cs/cifar10"


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
    opened = open_images(
        "cifar10",
        root,
        {"train": TRAIN, "test": TEST},
        repository=_HUB,
        column="img",
        fetch=f"download the parquet files of {_HUB} from the Hugging Face hub",
    )
    sources = {
        split: DecodedImages(images, exactly(32, 32), 3, f"cifar10, split '{split}'")
        for split, images in opened.splits.items()
    }
    decoded = {split: decode_all(sources[split]) for split in ("train", "test")}
    train, test = (images.numpy() for images, _ in decoded.values())
    kept, held_out = hold_out(len(train))
    places = {
        "train": ("train", shuffled(kept)),
        "validation": ("train", shuffled(held_out)),
        "test": ("test", shuffled(range(len(test)))),
    }
    stored = {split: np.asarray(images.labels or ()) for split, images in opened.splits.items()}
    labelled = all(len(stored[split]) == len(decoded[split][0]) for split in ("train", "test"))
    return in_memory(
        "cifar10",
        {split: (train if of == "train" else test)[order] for split, (of, order) in places.items()},
        bins=256,
        licence="its authors state none; part of the 80 Million Tiny Images, which were withdrawn in 2020",
        source=f"cs.toronto.edu/~kriz/cifar.html; {_HUB} on the Hugging Face hub",
        pixels={"name": "logit", "alpha": 0.05},
        skipped=opened.skipped,
        flips=flips,
        changed=sum((changed for _, changed in decoded.values()), Counter()),
        labels={split: stored[of][order] for split, (of, order) in places.items()} if labelled else None,
        classes=opened.splits["train"].classes,
    )
