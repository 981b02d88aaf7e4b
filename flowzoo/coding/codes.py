"""Lengths of lossless codes of images, which measure how complex an image is."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flowzoo.shapes import IntegerImages

CODES: Mapping[str, Mapping[str, Any]] = {
    "png": {"format": "PNG", "optimize": True},
    "webp": {"format": "WEBP", "lossless": True, "quality": 100, "method": 6, "exact": True},
}
"""Formats of Pillow by name, the second a stronger code than the first."""


def code_lengths(images: IntegerImages, code: str) -> NDArray[np.float64]:
    """Return the length of each image's lossless code, ``(B,)``, in bits, headers included.

    Args:
        images: ``(B, C, H, W)``, integers of 8 bits. Grey and colour images are coded as such; of others the
            channels are coded one below the other, as a grey image.
        code: One of :data:`CODES`.
    """
    return np.array([8.0 * len(_coded(each, code)) for each in images.to("cpu").numpy()])


def _coded(image: NDArray[np.integer[Any]], code: str) -> bytes:
    values = image.astype(np.uint8)
    pixels = values.transpose(1, 2, 0) if len(values) == 3 else values.reshape(-1, values.shape[2])
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, **CODES[code])
    return buffer.getvalue()


def code_length(images: IntegerImages, code: str) -> float:
    """Return the length of all images in one file, one below the other, in bits; arguments as above."""
    tall = images.transpose(0, 1).reshape(1, images.shape[1], -1, images.shape[3])
    return float(code_lengths(tall, code)[0])
