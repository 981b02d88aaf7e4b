"""Data sets of files that are decoded once and fit in memory."""

from __future__ import annotations

from collections import Counter

import numpy as np

from flowzoo.data.dataset import Dataset
from flowzoo.data.locate import open_images
from flowzoo.data.memory import in_memory
from flowzoo.data.on_disk import DecodedImages, decode_all, hold_out, shuffled
from flowzoo.data.split_names import TEST, TRAIN
from flowzoo.data.stored import exactly


def decoded_in_memory(
    name: str,
    root: str | None,
    *,
    repository: str,
    subset: str | None = None,
    column: str = "image",
    size: tuple[int, int],
    licence: str,
    source: str,
    flips: bool = False,
) -> Dataset:
    """Load a data set of colour images of one size, with splits for training and testing.

    A tenth of the training images, 5,000 at most, spread evenly, is for validation. Every split is shuffled
    with a fixed seed. Labels come with the images if both splits have them.

    Args:
        name: The data set's registered name.
        root: Folder of the hub's parquet files, or of folders ``train`` and ``test`` of image files; without
            it, the hub.
        repository: ``"owner/name"`` on the hub.
        subset: Name of the repository's subset (its *configuration*), if it has several.
        column: Column of the parquet files that holds the images.
        size: Height and width of every image.
        licence: Licence of the images.
        source: Where they come from, besides the hub.
        flips: Whether training mirrors each image with probability 1/2.

    Raises:
        DataError: The images cannot be loaded, or have another size.
    """
    part = f"{subset} of {repository}" if subset else repository
    opened = open_images(
        name,
        root,
        {"train": TRAIN, "test": TEST},
        repository=repository,
        subset=subset,
        column=column,
        fetch=f"download the parquet files of {part} from the Hugging Face hub",
    )
    sources = {
        split: DecodedImages(images, exactly(*size), 3, f"{name}, split '{split}'")
        for split, images in opened.splits.items()
    }
    decoded = {split: decode_all(sources[split]) for split in ("train", "test")}
    images = {split: found.numpy() for split, (found, _) in decoded.items()}
    kept, held_out = hold_out(len(images["train"]))
    places = {
        "train": ("train", shuffled(kept)),
        "validation": ("train", shuffled(held_out)),
        "test": ("test", shuffled(range(len(images["test"])))),
    }
    stored = {split: np.asarray(each.labels or ()) for split, each in opened.splits.items()}
    labelled = all(len(stored[split]) == len(images[split]) for split in ("train", "test"))
    return in_memory(
        name,
        {split: images[of][order] for split, (of, order) in places.items()},
        bins=256,
        licence=licence,
        source=f"{source}; {repository} on the Hugging Face hub",
        pixels={"name": "logit", "alpha": 0.05},
        skipped=opened.skipped,
        flips=flips,
        changed=sum((changed for _, changed in decoded.values()), Counter()),
        labels={split: stored[of][order] for split, (of, order) in places.items()} if labelled else None,
        classes=opened.splits["train"].classes,
    )
