"""The images that a model's own are told from: a data set's, or made ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from flowzoo.data.dataset import Dataset, ImageSource, TensorImages
from flowzoo.data.given import Array, only_to_evaluate
from flowzoo.data.load import load_dataset
from flowzoo.errors import ShapeError, UnknownNameError
from flowzoo.flow import Flow
from flowzoo.shapes import IntegerImages, Shape

Other = str | Path | Dataset | Array
"""A data set's name, ``noise`` or ``constant``; a folder of images; a data set; or an array of images."""


def other_images(other: Other, flow: Flow, count: int, fit: bool, seed: int) -> tuple[str, ImageSource]:
    """Return the name of other images, and the images, in the shape of a model's.

    Args:
        other: The images. ``noise`` stands for independent uniform values, ``constant`` for images of one
            random colour.
        flow: The model.
        count: Number of images to make, where they are made.
        fit: Whether images of another shape or number of bins are scaled to those of the model.
        seed: Seed of made images.

    Raises:
        ShapeError: The images have another shape or number of bins, and ``fit`` is not set.
        FlowzooError: The images cannot be loaded.
    """
    if isinstance(other, str) and other in MADE:
        generator = torch.Generator().manual_seed(seed)
        return other, TensorImages(MADE[other](count, flow.image_shape, flow.bins, generator))
    if isinstance(other, str | Path):
        try:
            dataset = load_dataset(other)
        except UnknownNameError as error:
            made = " and ".join(MADE)
            raise UnknownNameError(
                f"{error}. Besides these there are {made}, and folders of images"
            ) from error
    elif isinstance(other, Dataset):
        dataset = other
    else:
        dataset = only_to_evaluate(other, flow.bins)
    info, source = dataset.info, dataset.split("test")
    name = str(other) if isinstance(other, Path) else info.name
    if info.shape == flow.image_shape and info.bins == flow.bins:
        return name, source
    if not fit:
        raise ShapeError(
            f"images of {name} are {_described(info.shape, info.bins)}, and those of the model "
            f"{_described(flow.image_shape, flow.bins)}. To scale them, add --fit (in Python: fit=True)"
        )
    return f"{name}, scaled", FittedImages(source, info.bins, flow.image_shape, flow.bins)


def _noise(count: int, shape: Shape, bins: int, generator: torch.Generator) -> IntegerImages:
    return torch.randint(bins, (count, *shape), generator=generator, dtype=torch.uint8)


def _constant(count: int, shape: Shape, bins: int, generator: torch.Generator) -> IntegerImages:
    colours = torch.randint(bins, (count, shape[0], 1, 1), generator=generator, dtype=torch.uint8)
    return colours.expand(count, *shape).contiguous()


MADE: Mapping[str, Callable[[int, Shape, int, torch.Generator], IntegerImages]] = {
    "noise": _noise,
    "constant": _constant,
}


class FittedImages(ImageSource):
    """Images scaled to another size (bilinear, antialiased), number of channels and number of bins.

    Args:
        source: The images.
        bins: Their number of bins.
        shape: ``(C, H, W)`` to scale to. Grey becomes colour by repeating it, colour becomes grey by its luma
            (BT.601); of other numbers of channels the mean is repeated.
        new_bins: Number of bins to scale to.
    """

    def __init__(self, source: ImageSource, bins: int, shape: Shape, new_bins: int) -> None:
        self._source, self._bins, self._shape, self._new_bins = source, bins, shape, new_bins

    def __len__(self) -> int:
        return len(self._source)

    def take(self, indices: Sequence[int]) -> IntegerImages:
        images = self._source.take(indices).double() / (self._bins - 1)
        images = _with_channels(images, self._shape[0])
        if images.shape[2:] != self._shape[1:]:
            images = F.interpolate(
                images, self._shape[1:], mode="bilinear", antialias=True, align_corners=False
            )
        return (images.clamp(0, 1) * (self._new_bins - 1)).round().to(torch.uint8)


_LUMA = (0.299, 0.587, 0.114)


def _with_channels(images: Tensor, channels: int) -> Tensor:
    if images.shape[1] == channels:
        return images
    if images.shape[1] == 3:
        images = (images * torch.tensor(_LUMA, dtype=images.dtype)[:, None, None]).sum(1, keepdim=True)
    return images.mean(1, keepdim=True).expand(-1, channels, -1, -1)


def _described(shape: Shape, bins: int) -> str:
    return f"{'x'.join(map(str, shape))} with {bins} bins"
