"""Grids of images as PNG files, and pictures as images."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from flowzoo.decoding import bits_a_value
from flowzoo.dequantisation import quantise
from flowzoo.errors import DataError, OptionError, ShapeError
from flowzoo.files import write_atomically
from flowzoo.shapes import Images, Shape

SMALLEST_SIDE = 64
"""Images smaller than this are enlarged, each value becoming a square of pixels."""


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
    count, channels, height, width = images.shape
    _check_channels(channels)
    check_picture_path(path)
    values = quantise(images.detach().cpu(), bins).to(torch.float64) * (255.0 / (bins - 1))
    pixels = values.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    scale = max(1, math.ceil(SMALLEST_SIDE / min(height, width)))
    tile_height, tile_width, gap = height * scale, width * scale, 2
    canvas = np.full(
        (rows * (tile_height + gap) + gap, columns * (tile_width + gap) + gap, channels), 128, np.uint8
    )
    for index, tile in enumerate(pixels):
        row, column = divmod(index, columns)
        top, left = gap + row * (tile_height + gap), gap + column * (tile_width + gap)
        large = tile.repeat(scale, axis=0).repeat(scale, axis=1)
        canvas[top : top + tile_height, left : left + tile_width] = large
    buffer = io.BytesIO()
    Image.fromarray(canvas.squeeze(-1) if channels == 1 else canvas).save(buffer, format="PNG")
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
    """
    if path.suffix.lower() != ".png":
        raise OptionError(f"pictures are PNG files; '{path}' does not end in .png")
    if not path.parent.is_dir():
        raise OptionError(f"there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise OptionError(f"{path} is a folder; name a PNG file")


_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


def _check_channels(channels: int) -> None:
    if channels not in (1, 3):
        raise OptionError(f"a picture needs 1 or 3 channels, these images have {channels}")
