"""Encoded images on disk, and how they are decoded and scaled for a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flowzoo.decoding import decode_explained, decode_image
from flowzoo.errors import DataError

Prepare = Callable[[Image.Image], Image.Image]
"""Cuts and scales a decoded image to the data set's size; raises :class:`DataError` if that is impossible.

It has to be picklable, so that the workers of a ``DataLoader`` can have it."""

GREY_MODES = frozenset({"1", "L", "LA", "La"})
"""Pillow's modes of images without colour."""


class StoredImages(ABC):
    """The images of one split as they are stored, in a fixed order."""

    labels: Sequence[int] | None = None
    """The class of each image; None without labels."""

    classes: tuple[str, ...] = ()
    """Names of the classes, in the order of their numbers; empty without labels."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images."""

    @abstractmethod
    def read(self, indices: Sequence[int]) -> list[bytes]:
        """Return what is stored for the images at ``indices``, in that order."""

    @abstractmethod
    def decode(self, content: bytes) -> Image.Image:
        """Decode what :meth:`read` returned for an image; raise :class:`DataError` if it is damaged."""

    def decode_explained(self, content: bytes) -> tuple[Image.Image, list[str]]:
        """As :meth:`decode`, and return the changes of the stored values; none by default."""
        return self.decode(content), []

    def folder(self, index: int) -> str:
        """Return the name of the folder that holds the image at ``index``; empty if it has no folder."""
        return ""

    def label(self, index: int) -> str:
        """Return the name of the image at ``index`` for errors."""
        return f"image {index} of {len(self)}"


class ImageFiles(StoredImages):
    """Images in files of their own.

    Args:
        paths: The files, in the images' order.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, indices: Sequence[int]) -> list[bytes]:
        try:
            return [self._paths[index].read_bytes() for index in indices]
        except OSError as reason:
            raise DataError(
                f"cannot read {reason.filename}: {reason.strerror}. Make the file readable, copy it again, "
                "or remove it"
            ) from reason

    def decode(self, content: bytes) -> Image.Image:
        return decode_image(content)

    def decode_explained(self, content: bytes) -> tuple[Image.Image, list[str]]:
        return decode_explained(content)

    def folder(self, index: int) -> str:
        return self._paths[index].parent.name

    def label(self, index: int) -> str:
        return str(self._paths[index])


def exactly(height: int, width: int, fix: str = "use the files of this data set") -> Prepare:
    """Return a function that refuses images of another size and does not change the others.

    Args:
        height: Height of the images.
        width: Width of the images.
        fix: What a user can do about an image of another size.
    """
    return partial(_require_size, height, width, fix)


def cut_and_scaled(height: int, width: int) -> Prepare:
    """Return a function that cuts the largest rectangle of one shape from the centre and scales it.

    Pillow's bicubic filter is used, which widens as it scales down, so that nothing is aliased.

    Args:
        height: Height of the result.
        width: Width of the result; if it equals the height, the largest square is cut.
    """
    return partial(_cut_and_scale, height, width)


def as_array(image: Image.Image, channels: int) -> NDArray[np.uint8]:
    """Return an image's values, ``(C, H, W)``: grey repeated for colour, colour weighted for grey.

    Args:
        image: An image in any mode with 8 bits a value.
        channels: 1 (grey) or 3 (colour).
    """
    values = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return values[None] if channels == 1 else values.transpose(2, 0, 1)


def _require_size(height: int, width: int, fix: str, image: Image.Image) -> Image.Image:
    if (image.height, image.width) != (height, width):
        raise DataError(
            f"is {image.height}x{image.width} pixels (height x width), expected {height}x{width}; {fix}"
        )
    return image


def _cut_and_scale(height: int, width: int, image: Image.Image) -> Image.Image:
    if image.height * width <= image.width * height:  # the image is wider: all of its height is kept
        high, wide = image.height, max(1, round(image.height * width / height))
    else:
        high, wide = max(1, round(image.width * height / width)), image.width
    left, top = (image.width - wide) // 2, (image.height - high) // 2
    cut = _without_palette(image).crop((left, top, left + wide, top + high))
    return cut if cut.size == (width, height) else cut.resize((width, height), Image.Resampling.BICUBIC)


def _without_palette(image: Image.Image) -> Image.Image:
    """Return an image whose values can be averaged: palettes' indices cannot."""
    return image if image.mode in ("L", "RGB") else image.convert("RGB")
