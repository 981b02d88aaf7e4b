"""Labels come with the images that they belong to, whichever files these come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flowzoo.data.batches import ShuffledBatches
from flowzoo.data.cifar10 import build_cifar10
from flowzoo.data.dataset import Dataset, TensorImages
from flowzoo.data.fashion_mnist import build_fashion_mnist
from flowzoo.data.images import build_images
from flowzoo.data.load import load_dataset
from flowzoo.data.read_ahead import read_ahead

WriteParquet = Callable[..., Path]


def labels_of(dataset: Dataset) -> dict[str, list[int]]:
    found = {split: source.labels for split, source in dataset.splits.items()}
    return {split: labels.tolist() for split, labels in found.items() if labels is not None}


def test_idx_files_with_and_without_labels(tmp_path: Path, write_idx: Callable[..., Path]) -> None:
    rng = np.random.default_rng(0)
    labels = {
        stem: rng.integers(0, 10, count).astype(np.uint8) for stem, count in (("train", 25), ("t10k", 6))
    }
    for stem, own in labels.items():
        write_idx(tmp_path / f"{stem}-images-idx3-ubyte.gz", np.zeros((len(own), 28, 28), np.uint8))
    without = build_fashion_mnist(root=str(tmp_path))
    for stem, own in labels.items():
        write_idx(tmp_path / f"{stem}-labels-idx1-ubyte.gz", own)
    given = build_fashion_mnist(root=str(tmp_path))

    assert (without.info.classes, labels_of(without)) == ((), {})
    assert given.info.revision == without.info.revision
    assert given.info.classes[1] == "trouser"
    train = labels["train"].tolist()
    assert labels_of(given) == {
        "train": train[:-2],
        "validation": train[-2:],
        "test": labels["t10k"].tolist(),
    }


def numbered(count: int, size: int) -> np.ndarray:
    """Return images whose grey level is their number."""
    levels = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return np.broadcast_to(levels, (count, size, size, 3)).copy()


@pytest.mark.shuffled
@pytest.mark.parametrize("name", ["cifar10", "images"])
def test_labels_of_tables_follow_their_images(name: str, tmp_path: Path, write_parquet: WriteParquet) -> None:
    for split in ("train", "test"):
        column = "img" if name == "cifar10" else "image"
        write_parquet(
            tmp_path / "data" / f"{split}-00000-of-00001.parquet", numbered(20, 32), column, [0, 1] * 10
        )
    root = str(tmp_path / "data")
    dataset = build_cifar10(root=root) if name == "cifar10" else build_images(root=root)

    assert dataset.info.classes == ("shirt", "shoe")
    for split, labels in labels_of(dataset).items():
        images = dataset[split].take(range(len(labels)))
        assert labels == [int(image[0, 0, 0]) % 2 for image in images], split
    assert sorted(labels_of(dataset)) == ["test", "train", "validation"]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_have_the_labels_of_their_images(
    workers: int, tmp_path: Path, write_parquet: WriteParquet
) -> None:
    for split in ("train", "test"):
        write_parquet(
            tmp_path / "data" / f"{split}-00000-of-00001.parquet", numbered(20, 8), labels=[0, 1] * 10
        )
    dataset = read_ahead(load_dataset("images", root=str(tmp_path / "data"), size=8), workers)
    batches = ShuffledBatches(dataset["train"], 7, seed=0, flips=True)
    for _ in range(5):
        images, labels = batches.take()
        assert labels is not None
        assert (images[:, 0, 0, 0] % 2).tolist() == labels.tolist()
    batches.close()


def test_images_without_labels_have_none() -> None:
    source = TensorImages(torch.zeros(4, 1, 2, 2, dtype=torch.uint8))
    assert source.labels is None
    assert ShuffledBatches(source, 2, seed=0).take().labels is None


def test_folders_of_classes_are_labels(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name, grey in (("cat", 10), ("dog", 20)):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(6):
                picture = Image.new("L", (8, 8), grey)
                picture.putpixel((0, 0), number)
                picture.save(tmp_path / split / name / f"{number}.png")
    dataset = build_images(root=str(tmp_path), size=8, channels=1)

    assert dataset.info.classes == ("cat", "dog")
    for split, labels in labels_of(dataset).items():
        images = dataset[split].take(range(len(labels)))
        assert labels == [int(image[0, 4, 4]) // 10 - 1 for image in images], split
    pooled = build_images(root=str(tmp_path / "train"), size=8, channels=1)
    assert pooled.info.classes == ("cat", "dog")


def test_folders_that_the_splits_do_not_share_are_no_classes(tmp_path: Path) -> None:
    for split, names in (("train", ("one", "two")), ("test", ("three", "four"))):
        for name in names:
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(3):
                Image.new("L", (8, 8), number).save(tmp_path / split / name / f"{number}.png")
    dataset = build_images(root=str(tmp_path), size=8, channels=1)
    assert (dataset.info.classes, labels_of(dataset)) == ((), {})
