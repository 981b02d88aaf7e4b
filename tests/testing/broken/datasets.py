"""A sound data set, and what can be broken in it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from flowzoo.data.dataset import SPLITS, Dataset, ImageSource, TensorImages
from flowzoo.data.memory import in_memory
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


class Wrapped(ImageSource):
    """Another source's images, taken as a function of source and indices says."""

    def __init__(self, source: ImageSource, take: Callable[[ImageSource, Any], Tensor]) -> None:
        self.source = source
        self.taken = take

    def __len__(self) -> int:
        return len(self.source)

    def take(self, indices: Any) -> Tensor:
        return self.taken(self.source, indices)


class Views(ImageSource):
    """Hands out its own memory where images are asked for in a row."""

    def __init__(self, source: ImageSource) -> None:
        self.images = source.take(range(len(source)))

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Any) -> Tensor:
        # As code does that wants to save the copy of an index with a list.
        span = indices[-1] - indices[0] + 1
        step = max(1, span // len(indices))
        view = self.images[indices[0] : indices[-1] + 1 : step]
        direct = [*indices] == [*range(indices[0], indices[-1] + 1, step)]
        return view if direct else self.images[torch.as_tensor(indices)]


def other_info(**changes: Any) -> Break:
    return lambda dataset: Dataset(replace(dataset.info, **changes), dataset.splits)


def other_images(change: Callable[[Tensor], Tensor]) -> Break:
    return lambda dataset: Dataset(
        dataset.info, {**dataset.splits, "test": Altered(dataset.splits["test"], change)}
    )


def taken(take: Callable[[ImageSource, Any], Tensor]) -> Break:
    return lambda dataset: Dataset(
        dataset.info, {**dataset.splits, "test": Wrapped(dataset.splits["test"], take)}
    )


def all_images(change: Callable[[Tensor], Tensor], **info: Any) -> Break:
    """Return a break that changes the images of all splits, which lie in warm_start."""

    def break_it(dataset: Dataset) -> Dataset:
        splits = {
            name: TensorImages(change(source.take(range(len(source)))))
            for name, source in dataset.splits.items()
        }
        return Dataset(replace(dataset.info, **info), splits)

    return break_it


def test_on_training_images(dataset: Dataset) -> Dataset:
    sizes = {**dataset.info.sizes, "test": dataset.info.sizes["train"]}
    return Dataset(replace(dataset.info, sizes=sizes), {**dataset.splits, "test": dataset.splits["train"]})


def one_image_in_two_splits(split: str, other: str, place: int) -> Break:
    """Return a break that puts one image of a split, anywhere in it, into another one's place."""

    def break_it(dataset: Dataset) -> Dataset:
        images = dataset.split(split).take(range(len(dataset.split(split)))).clone()
        images[place] = dataset.split(other).take([17])[0]
        return Dataset(dataset.info, {**dataset.splits, split: TensorImages(images)})

    return break_it


def another_each_time(dataset: Dataset) -> Dataset:
    loads.append(None)
    places = len(loads)
    return other_images(lambda images: images.roll(places, -1))(dataset)


def one_other_image_each_time(dataset: Dataset) -> Dataset:
    loads.append(None)
    images = dataset.split("train").take(range(len(dataset.split("train")))).clone()
    images[1000, 0, 0, 0] = len(loads) % 17
    return Dataset(dataset.info, {**dataset.splits, "train": TensorImages(images)})


def another_order_each_time(dataset: Dataset) -> Dataset:
    images = dataset.split("train").take(range(len(dataset.split("train"))))
    order = np.random.permutation(len(images))
    return Dataset(dataset.info, {**dataset.splits, "train": TensorImages(images[torch.from_numpy(order)])})


def another_revision_each_time(dataset: Dataset) -> Dataset:
    loads.append(None)
    return other_info(revision=f"load {len(loads)}")(dataset)


def sorted_by_class(dataset: Dataset) -> Dataset:
    from sklearn.datasets import load_digits

    classes = torch.from_numpy(load_digits().target[:1350].copy())
    images = dataset.split("train").take(classes.argsort(stable=True).tolist())
    return Dataset(dataset.info, {**dataset.splits, "train": TensorImages(images)})


def longer(by: int) -> Break:
    """Return a break whose test split states another length than it has."""

    def break_it(dataset: Dataset) -> Dataset:
        source = dataset.split("test")
        images = source.take(range(len(source)))

        class Stated(TensorImages):
            def __len__(self) -> int:
                return len(source) + by

        info = replace(dataset.info, sizes={**dataset.info.sizes, "test": len(source) + by})
        return Dataset(info, {**dataset.splits, "test": Stated(images)})

    return break_it


def smooth_colours(dataset: Dataset) -> Dataset:
    """Replace the images by smooth ones in three colours, laid out as they should be."""
    generator = torch.Generator().manual_seed(0)
    splits = {}
    for name, source in dataset.splits.items():
        coarse = torch.rand((len(source), 3, 4, 4), generator=generator)
        fine = torch.nn.functional.interpolate(coarse, size=(16, 8), mode="bilinear")
        splits[name] = TensorImages((fine * 256).to(torch.uint8))
    info = replace(dataset.info, shape=(3, 16, 8), bins=256, pixels={"name": "affine"})
    return Dataset(info, splits)


def after_smoothing(break_it: Break) -> Break:
    return lambda dataset: break_it(smooth_colours(dataset))


def one_value_too_large(images: Tensor) -> Tensor:
    images = images.clone()
    images[91, 0, 3, 3] = 17
    return images


def channels_last(images: Tensor) -> Tensor:
    return images.permute(0, 2, 3, 1).contiguous()


def drawn(library: str) -> Break:
    """Return a break that uses a global random state whenever images are taken."""

    def take(source: ImageSource, indices: Any) -> Tensor:
        _DRAWS[library]()
        return source.take(indices)

    return taken(take)


_DRAWS: dict[str, Callable[[], object]] = {
    "torch": lambda: torch.rand(1),
    "numpy": lambda: np.random.rand(),
    "reseeded": lambda: torch.manual_seed(0),
}


def seeded_while_loading(dataset: Dataset) -> Dataset:
    torch.manual_seed(0)
    return dataset


def shuffled_by_python(dataset: Dataset) -> Dataset:
    random.seed(3)
    return dataset


loads: list[None] = []

DATASET = Example(
    "dataset",
    lambda _: build_component("dataset", "digits"),
    {
        "the licence is missing": ("description", other_info(licence=" ")),
        "the revision is missing": ("description", other_info(revision="")),
        "a split has no revision": ("description", other_info(revisions={"train": "a", "test": "b"})),
        "the sizes are others": ("description", other_info(sizes={"train": 1, "validation": 1, "test": 1})),
        "the name is another": ("description", other_info(name="other")),
        "it is no data set": ("description", lambda dataset: dataset.splits),
        "the shape ends with the channels": ("description", other_info(shape=(8, 8, 1))),
        "bins are a float": ("description", other_info(bins=17.0)),
        "the description is not plain data": ("description", other_info(source=torch.ones(2))),
        "the pixel transform does not exist": ("model", other_info(pixels={"name": "logti"})),
        "the pixel transform's option does not exist": (
            "model",
            other_info(pixels={"name": "logit", "alhpa": 0.1}),
        ),
        "the pixel transform trains": ("model", other_info(pixels={"name": "actnorm"})),
        "values leave the range": ("integers", other_info(bins=16)),
        "one value leaves the range": (
            "integers",
            all_images(one_value_too_large),
        ),
        "images are floats": ("integers", other_images(lambda images: images.float())),
        "images have another shape": ("integers", other_info(shape=(1, 32, 32))),
        "images have their channels last": ("integers", all_images(channels_last)),
        "images lie elsewhere": ("integers", other_images(lambda images: images.to("meta"))),
        "digits are said to be bytes": ("bins", other_info(bins=256)),
        "a bin is never used": ("bins", other_info(bins=18)),
        "fractions are cut to integers": ("bins", all_images(lambda images: images // 17)),
        "black and white are 0 and 255": (
            "bins",
            all_images(lambda images: (images > 8).to(torch.uint8) * 255, bins=256),
        ),
        "few bits are spread over a byte": ("bins", all_images(lambda images: 15 * images, bins=256)),
        "channels last are read as channels first": (
            "layout",
            after_smoothing(all_images(lambda images: channels_last(images).reshape(images.shape))),
        ),
        "height and width are mixed up": (
            "layout",
            after_smoothing(all_images(lambda images: images.mT.contiguous().reshape(images.shape))),
        ),
        "classes come one after another": ("mixed", sorted_by_class),
        "images come in another order": ("order", other_images(lambda images: images.flip(0).roll(1, 0))),
        "images come sorted, whatever was asked for": (
            "order",
            taken(lambda source, indices: source.take(sorted(indices))),
        ),
        "images come once each": (
            "order",
            taken(lambda source, indices: source.take([*dict.fromkeys(indices)])),
        ),
        "a batch is the data set's own memory": (
            "order",
            lambda dataset: Dataset(dataset.info, {**dataset.splits, "test": Views(dataset.split("test"))}),
        ),
        "an image is turned at random": (
            "order",
            taken(lambda source, indices: source.take(indices).roll(int(torch.randint(8, ())), -1)),
        ),
        "there are fewer images than stated": ("order", longer(by=1)),
        "there are more images than stated": ("order", longer(by=-1)),
        "images are taken from the start again past the end": (
            "order",
            taken(lambda source, indices: source.take([each % len(source) for each in indices])),
        ),
        "two loads differ": ("repeatable", another_each_time),
        "two loads differ in one value": ("repeatable", one_other_image_each_time),
        "two loads differ in their order": ("repeatable", another_order_each_time),
        "two loads differ in their revision": ("repeatable", another_revision_each_time),
        "another process has another order": ("another-process", all_images(lambda images: images.flip(0))),
        "another process has another revision": ("another-process", other_info(revision="v1")),
        "test images are training images": ("disjoint-splits", test_on_training_images),
        "one test image is a training image": (
            "disjoint-splits",
            one_image_in_two_splits("test", "train", 211),
        ),
        "one validation image is a training image": (
            "disjoint-splits",
            one_image_in_two_splits("validation", "train", 149),
        ),
        "one test image is a validation image": (
            "disjoint-splits",
            one_image_in_two_splits("test", "validation", 0),
        ),
        "loading reseeds the global generator": ("global-random-state", seeded_while_loading),
        "taking images draws from torch": ("global-random-state", drawn("torch")),
        "taking images draws from NumPy": ("global-random-state", drawn("numpy")),
        "taking images reseeds the global generator": ("global-random-state", drawn("reseeded")),
    },
)


def build_shaded(*, shade: Literal["light", "dark"] = "light", lines: bool = True) -> Dataset:
    """Return a data set with options."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 200, (3, 60, 1, 4, 4)) + (55 if shade == "light" else 0)
    images[:, 0] = 255
    images[..., 0, :] *= lines
    images[:, :, 0, 3, 3] = np.arange(180).reshape(3, 60)
    splits = dict(zip(SPLITS, images, strict=True))
    return in_memory("shaded", splits, bins=256, licence="none", source="drawn", pixels={"name": "affine"})


OPTIONAL_DATASET = Example(
    "dataset",
    lambda trial: build_shaded(**trial.check.options),
    {
        "the revision says nothing of the images": ("revision", other_info(revision="1.0")),
        "the revision is of another split": (
            "revision",
            other_info(revisions={"train": "1", "validation": "1", "test": "1"}),
        ),
        "the revision is of the first image": (
            "revision",
            lambda dataset: other_info(revision=str(int(dataset.split("train").take([0]).sum()) // 4000))(
                dataset
            ),
        ),
    },
    name="shaded",
    build="tests.testing.broken.datasets:build_shaded",
)
