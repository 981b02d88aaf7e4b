"""Fashion-MNIST, padded to 32x32, from IDX files, parquet files or the hub."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from flowzoo.component import FilePlace
from flowzoo.data.dataset import Dataset
from flowzoo.data.hub import read_hub
from flowzoo.data.idx import read_idx
from flowzoo.data.listing import list_folder
from flowzoo.data.locate import read_tables
from flowzoo.data.memory import in_memory
from flowzoo.data.on_disk import DecodedImages, decode_all
from flowzoo.data.split_names import TEST, TRAIN
from flowzoo.data.stored import StoredImages, exactly
from flowzoo.errors import DataError

_HUB = "zalando-datasets/fashion_mnist"
_SPLITS = {"train": "train", "test": "test"}
_STEMS = {"train": "train", "test": "t10k"}
_INSTALLED = Path("/usr/share/datasets/fashion-mnist")
_FETCH = (
    "install the Debian package dataset-fashion-mnist, or give the folder of its files as root=FOLDER "
    "(on the command line: --set data.root=FOLDER)"
)


def build_fashion_mnist(
    *,
    root: Annotated[
        str | None,
        FilePlace(),
        Field(
            description="Folder of IDX or parquet files. Without it, images come from the Debian package "
            "dataset-fashion-mnist if it is installed, and otherwise from the hub."
        ),
    ] = None,
    size: Annotated[
        Literal[16, 32], Field(description="Height and width: 32 (padded with zeros), or 16 (2x2 means).")
    ] = 32,
) -> Dataset:
    """Load Fashion-MNIST: 70,000 grey 28x28 images, padded with zeros to 32x32.

    The last twelfth of the 60,000 training images, 5,000, is for validation.

    Args:
        root: Folder of IDX files, plain or gzipped, or of the hub's parquet files. None: the files of the
            Debian package dataset-fashion-mnist, or the hub if it is not installed.
        size: 32, or 16 for 2x2 means of the padded images, rounded to integers.

    Raises:
        DataError: The images cannot be loaded, or are not Fashion-MNIST's.

    References:
        Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
        Algorithms", arXiv:1708.07747.
    """
    if root is None and _find_idx(_INSTALLED, "train-images-idx3") is not None:
        root = str(_INSTALLED)
    raw = _read_hub() if root is None else _read_folder(Path(root).expanduser())
    images = {
        split: _prepare(each, size, f"fashion-mnist, {split} images") for split, each in raw.images.items()
    }
    return in_memory(
        "fashion-mnist",
        _splits(images),
        bins=256,
        licence="MIT",
        source=f"Zalando Research; {_HUB} on the Hugging Face hub, Debian package dataset-fashion-mnist",
        pixels={"name": "logit", "alpha": 1e-5},
        changed=raw.changed,
        labels=None if raw.labels is None else _splits(raw.labels),
        classes=CLASSES,
    )


CLASSES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
"""Names of the classes."""


class _Raw(NamedTuple):
    """What was read.

    Attributes:
        images: ``(N, 28, 28)`` for ``train`` and ``test``.
        labels: ``(N,)``, likewise; None where there are none.
        changed: Number of images that were changed in reading, for each kind of change.
    """

    images: dict[str, NDArray[np.uint8]]
    labels: dict[str, NDArray[np.uint8]] | None
    changed: Counter[str]


def _splits(rows: dict[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.uint8]]:
    train = rows["train"]
    held_out = max(1, len(train) // 12)
    return {"train": train[:-held_out], "validation": train[-held_out:], "test": rows["test"]}


def _read_hub() -> _Raw:
    try:
        return _decode(read_hub(_HUB, _SPLITS))
    except DataError as reason:
        raise DataError(f"{reason}. To do without the hub: {_FETCH}") from reason


def _read_folder(root: Path) -> _Raw:
    listing = list_folder(root)
    found = _find_both(root, "images-idx3")
    if found is not None:
        images = {split: read_idx(path, dimensions=3) for split, path in found.items()}
        label_files = _find_both(root, "labels-idx1")
        if label_files is None:
            return _Raw(images, None, Counter())
        labels = {split: read_idx(path, dimensions=1) for split, path in label_files.items()}
        return _Raw(images, labels, Counter())
    if listing.tables:
        return _decode(read_tables(listing, {"train": TRAIN, "test": TEST}))
    raise DataError(
        f"{root} does not hold Fashion-MNIST: it has neither train-images-idx3-ubyte and "
        f"t10k-images-idx3-ubyte (or .gz) nor train-*.parquet and test-*.parquet. {_FETCH}"
    )


def _decode(stored: dict[str, StoredImages]) -> _Raw:
    images: dict[str, NDArray[np.uint8]] = {}
    changed: Counter[str] = Counter()
    for split, each in stored.items():
        source = DecodedImages(each, exactly(28, 28), 1, f"fashion-mnist, {split} images")
        decoded, changes = decode_all(source)
        images[split] = decoded[:, 0].numpy()
        changed += changes
    labels = {split: np.array(each.labels, np.uint8) for split, each in stored.items() if each.labels}
    return _Raw(images, labels if len(labels) == len(stored) else None, changed)


def _find_both(root: Path, kind: str) -> dict[str, Path] | None:
    """Return the IDX files of both splits; None unless there are both."""
    found = {split: _find_idx(root, f"{stem}-{kind}") for split, stem in _STEMS.items()}
    files = {split: path for split, path in found.items() if path is not None}
    return files if len(files) == len(_STEMS) else None


def _find_idx(root: Path, start: str) -> Path | None:
    first, _, kind = start.rpartition("-")
    names = [f"{first}{dot}{kind}-ubyte{gz}" for dot in "-." for gz in ("", ".gz")]
    return next((root / name for name in names if (root / name).is_file()), None)


def _prepare(raw: NDArray[np.uint8], size: int, where: str) -> NDArray[np.uint8]:
    """Return ``(N, 1, size, size)`` for ``(N, 28, 28)``."""
    if raw.shape[1:] != (28, 28):
        raise DataError(
            f"{where}: expected images of 28x28, got {raw.shape[1:]}. Are these the files of Fashion-MNIST?"
        )
    padded = np.pad(raw, ((0, 0), (2, 2), (2, 2)))[:, None]
    return padded if size == 32 else _halve(padded)


def _halve(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    count, channels, height, width = images.shape
    blocks = images.reshape(count, channels, height // 2, 2, width // 2, 2)
    means: NDArray[np.float64] = blocks.mean(axis=(3, 5))
    return np.rint(means).astype(np.uint8)
