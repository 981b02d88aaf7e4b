"""Grids of images as PNG files, and pictures as images."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from flowzoo.decoding import bits_a_value
from flowzoo.dequantisation import quantise
from flowzoo.errors import DataError, OptionError, ShapeError
from flowzoo.files import check_output, write_atomically
from flowzoo.shapes import Images, Shape, as_shape

SMALLEST_SIDE = 64
"""Images smaller than this are enlarged, each value becoming a square of pixels."""

GAP = 2
"""Pixels between two images."""


def save_grid(images: Images, path: Path, bins: int, columns: int | None = None) -> None:
    """Write images as a grid, row by row.

    Args:
        images: ``(N, C, H, W)`` in ``[0, 1)``; values outside are clipped. ``C`` is 1 (grey) or 3 (colour).
        path: Of the PNG file.
        bins: How many integers a value of the data can take; the highest is drawn white.
        columns: Images a row, about the square root of ``N`` by default.

    Raises:
        OptionError: The images are neither grey nor colour, or :func:`check_picture_path` refuses the path.
        FileError: The file cannot be written.
    """
    check_picture_path(path)
    grid = Grid(len(images), as_shape(images.shape[1:]), bins, columns)
    grid.place(images, range(len(images)))
    grid.save(path)


class Grid:
    """A picture of images in rows, filled batch by batch: it holds bytes, and the images may go.

    Args:
        count: How many images it has room for.
        shape: ``(C, H, W)`` of the images; ``C`` is 1 (grey) or 3 (colour).
        bins: How many integers a value of the data can take; the highest is drawn white.
        columns: Images a row, about the square root of ``count`` by default.

    Raises:
        OptionError: The images are neither grey nor colour.
    """

    def __init__(self, count: int, shape: Shape, bins: int, columns: int | None = None) -> None:
        channels, height, width = shape
        _check_channels(channels)
        self._bins = bins
        self._columns = columns or math.ceil(math.sqrt(count))
        self._scale = max(1, math.ceil(SMALLEST_SIDE / min(height, width)))
        self._tile = height * self._scale, width * self._scale
        rows = math.ceil(count / self._columns)
        self._canvas = np.full(
            (rows * (self._tile[0] + GAP) + GAP, self._columns * (self._tile[1] + GAP) + GAP, channels),
            128,
            np.uint8,
        )

    def place(self, images: Images, places: Iterable[int]) -> None:
        """Draw images where they belong.

        Args:
            images: ``(N, C, H, W)`` in ``[0, 1)``; values outside are clipped.
            places: Of each image, counted row by row from 0.
        """
        values = quantise(images.detach().cpu(), self._bins).to(torch.float64) * (255.0 / (self._bins - 1))
        pixels = values.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        height, width = self._tile
        for place, tile in zip(places, pixels, strict=True):
            row, column = divmod(place, self._columns)
            top, left = GAP + row * (height + GAP), GAP + column * (width + GAP)
            large = tile.repeat(self._scale, axis=0).repeat(self._scale, axis=1)
            self._canvas[top : top + height, left : left + width] = large

    def save(self, path: Path) -> None:
        """Write the picture.

        Raises:
            FileError: The file cannot be written.
        """
        grey = self._canvas.shape[-1] == 1
        buffer = io.BytesIO()
        Image.fromarray(self._canvas.squeeze(-1) if grey else self._canvas).save(buffer, format="PNG")
        write_atomically(path, buffer.getvalue())


def load_picture(path: Path, shape: Shape) -> Images:
    """Read a picture with 8 bits a value as one image.

    Args:
        path: Of the file, PNG or whatever else Pillow reads.
        shape: ``(C, H, W)`` that it has to have; as one channel the picture is read grey, as three in colour.

    Returns:
        ``(1, C, H, W)``, float64: the middle of the ``1/256`` of ``[0, 1)`` that each value stands for.

    Raises:
        OptionError: Images of ``shape`` are neither grey nor colour.
        ShapeError: The picture has another size.
        DataError: It cannot be read, or its values have more than 8 bits.
    """
    channels, height, width = shape
    _check_channels(channels)
    try:
        with Image.open(path) as picture:
            if picture.size != (width, height):
                found = f"{picture.size[1]}x{picture.size[0]}"
                raise ShapeError(
                    f"{path} is {found} pixels (height x width), expected {height}x{width}; resize it"
                )
            if picture.mode not in _EIGHT_BITS or bits_a_value(picture) > 8:
                raise DataError(
                    f"{path} has pixels of mode {picture.mode}; save it with 8 bits a value, grey or RGB"
                )
            values = np.array(picture.convert("L" if channels == 1 else "RGB"))
    except (DataError, ShapeError):
        raise
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read {path} as a picture ({error}); give a PNG file") from error
    pixels = torch.from_numpy(values).reshape(1, height, width, channels).permute(0, 3, 1, 2)
    return (pixels.to(torch.float64) + 0.5) / 256


def check_picture_path(path: Path) -> None:
    """Refuse a path to which no picture can be written, before it is drawn.

    Raises:
        OptionError: It is not one of a PNG file, its folder does not exist, or it is a folder itself.
        FileError: The system does not let files be written there.
    """
    if path.suffix.lower() != ".png":
        raise OptionError(f"pictures are PNG files; '{path}' does not end in .png")
    check_output(path, "PNG file")


_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


def _check_channels(channels: int) -> None:
    if channels not in (1, 3):
        raise OptionError(f"a picture needs 1 or 3 channels, these images have {channels}")
