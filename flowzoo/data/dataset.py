"""A data set: integer images in three splits, with a description that is stored with every figure."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, SupportsIndex

import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from flowzoo.errors import DataError, UnknownNameError, did_you_mean
from flowzoo.registry.plugin import one_line
from flowzoo.shapes import IntegerImages, Shape

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class DatasetInfo:
    """The description of a data set.

    Attributes:
        name: Its registered name.
        revision: Short hash of all splits' images, of their integers or of what is stored; two data sets with
            one revision hold the same images.
        shape: ``(C, H, W)`` of every image, padding included.
        bins: ``M``, how many integers a value can take: images hold ``{0, ..., M - 1}``.
        licence: Licence of the images.
        source: Source of the images.
        pixels: The recommended pixel transform, ``{"name": ..., option: ...}``.
        sizes: Number of images in each split.
        revisions: Short hash of the images of each split, so that one can change while the others stay as
            they were; empty if only ``revision`` is known.
        skipped: Number of the user's files that were skipped, for each reason.
        changed: How many images' values were changed on the way from their files, for each kind of change;
            for images that are decoded when they are needed, :meth:`ImageSource.inspect` returns it.
        flips: Whether training mirrors each image with probability 1/2. The splits hold no mirrored images.
        classes: Names of the classes that labels stand for, in the order of their numbers; empty without
            labels.
    """

    name: str
    revision: str
    shape: Shape
    bins: int
    licence: str
    source: str
    pixels: Mapping[str, Any]
    sizes: Mapping[str, int]
    revisions: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    changed: Mapping[str, int] = field(default_factory=dict)
    flips: bool = False
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """The result of reading images to find damaged ones.

    Attributes:
        images: Those that could be read, ``(N, C, H, W)``, uint8, in their order.
        damaged: What is wrong with each of the others, with their names.
        changed: How many images' values were changed on the way, for each kind of change.
    """

    images: IntegerImages
    damaged: tuple[str, ...]
    changed: Counter[str]


class ImageSource(TorchDataset[Tensor], ABC):
    """The images of one split, in a fixed order, read when they are needed.

    It is a map-style data set of torch: ``torch.utils.data.DataLoader`` takes it, with workers, shuffling and
    samplers. ``source[i]`` is one image, ``(C, H, W)``, uint8; ``source[:16]`` is a batch of them.
    """

    in_memory = False
    """Whether the images lie in memory, so that reading them ahead would gain nothing."""

    @property
    def labels(self) -> Tensor | None:
        """The class of each image, ``(N,)``, int64; None for images without labels."""
        return None

    def labels_at(self, indices: Sequence[int]) -> Tensor | None:
        """Return the classes of the images at ``indices``, ``(B,)``; None for images without labels."""
        labels = self.labels
        return None if labels is None else labels[torch.as_tensor(indices, dtype=torch.long)]

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @abstractmethod
    def take(self, indices: Sequence[int]) -> IntegerImages:
        """Return the images at ``indices``, in that order.

        Args:
            indices: Places in ``0 .. len(self) - 1``; they may repeat.

        Returns:
            ``(B, C, H, W)``, uint8, on the CPU.
        """

    def __getitem__(self, index: SupportsIndex | slice) -> Tensor:
        """Return one image, ``(C, H, W)``, or for a slice a batch; a negative index counts from the end.

        Raises:
            IndexError: There is no such image.
        """
        count = len(self)
        if isinstance(index, slice):
            return self.take(range(count)[index])
        place = operator.index(index)
        if not -count <= place < count:
            raise IndexError(f"there is no image {place}: the split holds {count} images")
        return self.take([place % count])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Tensor]:
        """Return the images of a batch one by one; a ``DataLoader`` reads them together in this way."""
        return list(self.take(indices))

    def stream(self, batches: Iterable[Sequence[int]]) -> Iterator[IntegerImages]:
        """Yield the images of one batch of indices after the other; each is read when it is asked for."""
        return map(self.take, batches)

    def inspections(self, batches: Iterable[Sequence[int]]) -> Iterator[Inspection]:
        """Yield what :meth:`inspect` returns for one batch of indices after the other."""
        return map(self.inspect, batches)

    def inspect(self, indices: Sequence[int]) -> Inspection:
        """Read images and collect all errors, while :meth:`take` stops at the first one.

        By default they are taken with their values as they are stored.

        Args:
            indices: As in :meth:`take`.
        """
        with suppress(Exception):  # any exception for damaged files: they are read one by one below
            return Inspection(self.take(indices), (), Counter())
        images, damaged = [], []
        for index in indices:
            try:
                images.append(self.take([index]))
            except DataError as problem:
                damaged.append(str(problem))
            except Exception as problem:
                damaged.append(f"image {index} cannot be read ({one_line(problem)})")
        return Inspection(torch.cat(images) if images else _NONE, tuple(damaged), Counter())


_NONE = torch.zeros(0, 1, 1, 1, dtype=torch.uint8)


class TensorImages(ImageSource):
    """Images that lie in memory.

    >>> TensorImages(torch.zeros(5, 1, 8, 8, dtype=torch.uint8)).take([4, 0]).shape
    torch.Size([2, 1, 8, 8])

    Args:
        images: ``(N, C, H, W)``, uint8.
        labels: The class of each image, ``(N,)``; None without labels.
    """

    in_memory = True

    def __init__(self, images: IntegerImages, labels: Tensor | None = None) -> None:
        self._images = images
        self._labels = None if labels is None else labels.long()

    @property
    def labels(self) -> Tensor | None:
        return self._labels

    def __len__(self) -> int:
        return len(self._images)

    def take(self, indices: Sequence[int]) -> IntegerImages:
        return self._images[torch.as_tensor(indices, dtype=torch.long)]


@dataclass(frozen=True)
class DatasetRecipe:
    """The name and the options that load a data set again.

    Attributes:
        name: Its registered name.
        options: Its options as they were given; those that say where files are hold absolute paths.
    """

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Dataset:
    """A described data set and its splits: ``dataset["train"]`` is the source of the training images.

    Attributes:
        info: What the data set is.
        splits: One source for each of :data:`SPLITS`.
        recipe: How to load it again; None for a data set that was made from arrays.
    """

    info: DatasetInfo
    splits: Mapping[str, ImageSource]
    recipe: DatasetRecipe | None = None

    def __getitem__(self, name: str) -> ImageSource:
        """Return the images of one split; arguments and errors as in :meth:`split`."""
        return self.split(name)

    def split(self, name: str) -> ImageSource:
        """Return the images of one split.

        Args:
            name: ``train``, ``validation`` or ``test``.

        Raises:
            UnknownNameError: There is no such split.
        """
        if name not in self.splits:
            raise UnknownNameError(
                f"no split '{name}' in {self.info.name}{did_you_mean(str(name), self.splits) or ';'} "
                f"splits: {', '.join(self.splits)}"
            )
        return self.splits[name]
