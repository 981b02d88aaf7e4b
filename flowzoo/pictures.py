"""Images as PNG files, in a grid or one file each, and PNG files as images."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from flowzoo.decoding import bits_a_value
from flowzoo.dequantisation import quantise
from flowzoo.errors import DataError, OptionError, ShapeError
from flowzoo.files import check_output, write_atomically, writing
from flowzoo.shapes import Images, Shape, as_shape

SMALLEST_SIDE = 64
"""Images smaller than this are enlarged: each value becomes a square of pixels."""

GAP = 2
"""Pixels between two images."""


def save_grid(images: Images, path: Path, bins: int, columns: int | None = None) -> None:
    """Write images as a grid, row by row.

    Args:
        images: ``(N, C, H, W)`` in ``[0, 1)``; values outside are clipped. ``C`` is 1 (grey) or 3 (colour).
        path: The PNG file.
        bins: How many integers a value of the data can take; the highest is drawn white.
        columns: Images in a row, about the square root of ``N`` by default.

    Raises:
        OptionError: The images are neither grey nor colour, or :func:`check_picture_path` refuses the path.
        FileError: The file cannot be written.
    """
    check_picture_path(path)
    grid = Grid(len(images), as_shape(images.shape[1:]), bins, columns)
    grid.place(images, range(len(images)))
    grid.save(path)


class Grid:
    """A picture of images in rows, filled batch by batch. It holds bytes only, so batches can be freed.

    Args:
        count: Number of images that fit.
        shape: ``(C, H, W)`` of the images; ``C`` is 1 (grey) or 3 (colour).
        bins: How many integers a value of the data can take; the highest is drawn white.
        columns: Images in a row, about the square root of ``count`` by default.

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
        """Draw images into the grid.

        Args:
            images: ``(N, C, H, W)`` in ``[0, 1)``; values outside are clipped.
            places: The place of each image, counted row by row from 0.
        """
        pixels = _pixels(images, self._bins)
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
        write_atomically(path, _png(self._canvas))

    def frame(self) -> NDArray[np.uint8]:
        """Return a copy of the picture, ``(H, W, C)``: a frame of an animation."""
        return self._canvas.copy()


def save_animation(frames: Sequence[NDArray[np.uint8]], path: Path, seconds: float) -> None:
    """Write frames as a GIF that begins again and again. The last frame stays three times as long.

    Args:
        frames: ``(H, W, C)`` each, of one shape; ``C`` is 1 (grey) or 3 (colour).
        path: The GIF file.
        seconds: How long a frame stays.

    Raises:
        FileError: The file cannot be written.
    """
    first, *rest = (Image.fromarray(each.squeeze(-1) if each.shape[-1] == 1 else each) for each in frames)
    milliseconds = round(1000 * seconds)
    durations = [milliseconds] * len(rest) + [3 * milliseconds]
    buffer = io.BytesIO()
    first.save(buffer, format="GIF", save_all=True, append_images=rest, duration=durations, loop=0)
    write_atomically(path, buffer.getvalue())


def save_each(images: Images, paths: Iterable[Path], bins: int) -> None:
    """Write each image to a PNG file of its own, a pixel for each value.

    Args:
        images: ``(N, C, H, W)`` in ``[0, 1)``; values outside are clipped. ``C`` is 1 (grey) or 3 (colour).
        paths: One file for each image.
        bins: How many integers a value of the data can take; the highest is drawn white.

    Raises:
        OptionError: The images are neither grey nor colour.
        FileError: A file cannot be written.
    """
    _check_channels(images.shape[1])
    for path, pixels in zip(paths, _pixels(images, bins), strict=True):
        with writing(path):
            path.write_bytes(_png(pixels))


def load_picture(path: Path, shape: Shape) -> Images:
    """Read a picture with 8 bits a value as one image.

    Args:
        path: The file, a PNG or another format that Pillow reads.
        shape: ``(C, H, W)`` that it must have; it is read as grey for one channel, in colour for three.

    Returns:
        ``(1, C, H, W)``, float64: the middle of the bin of ``[0, 1)`` that belongs to each value.

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
                    f"{path} is {found} pixels (height x width), expected {height}x{width}. Resize it"
                )
            if picture.mode not in _EIGHT_BITS or bits_a_value(picture) > 8:
                raise DataError(
                    f"{path} has not 8 bits a value (Pillow's mode {picture.mode}). Save it as grey or RGB "
                    "with 8 bits a value"
                )
            values = np.array(picture.convert("L" if channels == 1 else "RGB"))
    except (DataError, ShapeError):
        raise
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else error
        raise DataError(f"cannot read {path} as a picture: {reason}. Give a PNG file") from error
    pixels = torch.from_numpy(values).reshape(1, height, width, channels).permute(0, 3, 1, 2)
    return (pixels.to(torch.float64) + 0.5) / 256


def check_picture_path(path: Path) -> None:
    """Refuse a path to which no picture can be written, before it is drawn.

    Raises:
        OptionError: It is not one of a PNG file, its folder does not exist, or it is a folder itself.
        FileError: The system does not let files be written there.
    """
    if path.suffix.lower() != ".png":
        raise OptionError(f"pictures are PNG files, and '{path}' does not end in .png. Change the name")
    check_output(path, "PNG file")


_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


def _check_channels(channels: int) -> None:
    if channels not in (1, 3):
        raise OptionError(
            f"a picture needs 1 or 3 channels, and these images have {channels}. Get them as numbers, in "
            "Python: flowzoo.load_model(...).sample(16)"
        )


def _pixels(images: Images, bins: int) -> NDArray[np.uint8]:
    """Return images as bytes, ``(N, H, W, C)``."""
    values = quantise(images.detach().cpu(), bins).to(torch.float64) * (255.0 / (bins - 1))
    return values.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(buffer, format="PNG")
    return buffer.getvalue()
