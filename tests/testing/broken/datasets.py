"""A sound data set, and what can be broken in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from flowzoo.data.dataset import Dataset, ImageSource
from flowzoo.registry.build import build_component
from tests.testing.broken.example import (
    Break,
    Example,
)


class Altered(ImageSource):
    """Another source's images, changed."""

    def __init__(self, source: ImageSource, change: Callable[[Tensor], Tensor]) -> None:
        self.source = source
        self.change = change

    def __len__(self) -> int:
        return len(self.source)

    def take(self, indices: Any) -> Tensor:
        return self.change(self.source.take(indices))


def other_info(**changes: Any) -> Break:
    return lambda dataset: Dataset(replace(dataset.info, **changes), dataset.splits)


def other_images(change: Callable[[Tensor], Tensor]) -> Break:
    return lambda dataset: Dataset(
        dataset.info, {**dataset.splits, "test": Altered(dataset.splits["test"], change)}
    )


def test_on_training_images(dataset: Dataset) -> Dataset:
    sizes = {**dataset.info.sizes, "test": dataset.info.sizes["train"]}
    return Dataset(replace(dataset.info, sizes=sizes), {**dataset.splits, "test": dataset.splits["train"]})


def another_each_time(dataset: Dataset) -> Dataset:
    loads.append(None)
    places = len(loads)
    return other_images(lambda images: images.roll(places, -1))(dataset)


loads: list[None] = []

DATASET = Example(
    "dataset",
    lambda _: build_component("dataset", "digits"),
    {
        "the licence is missing": ("description", other_info(licence=" ")),
        "the sizes are others": ("description", other_info(sizes={"train": 1, "validation": 1, "test": 1})),
        "the pixel transform does not exist": ("description", other_info(pixels={"name": "logti"})),
        "the name is another": ("description", other_info(name="other")),
        "values leave the range": ("integers", other_info(bins=16)),
        "images are floats": ("integers", other_images(lambda images: images.float())),
        "images have another shape": ("integers", other_info(shape=(1, 32, 32))),
        "images come in another order": ("order", other_images(lambda images: images.flip(0).roll(1, 0))),
        "two loads differ": ("repeatable", another_each_time),
        "test images are training images": ("disjoint-splits", test_on_training_images),
    },
)
