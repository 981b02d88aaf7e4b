"""Small maps of an image's pixels side by side, each with a title and a legend, as one PNG file."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from flowzoo.files import write_atomically

SIDE = 224
"""Pixels that the longer side of a map has at least."""

GAP = 16
LINE = 16
BAR = 12
NOWHERE = 225
"""Grey value of pixels without a value."""

_DARK_TO_BRIGHT = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


@dataclass(frozen=True)
class Panel:
    """A map of pixels.

    Attributes:
        title: Stands above it.
        values: ``(H, W)``; pixels without a value are NaN.
        steps: How many different values there can be, ``0 .. steps - 1``, which get grey values from black to
            white; None for numbers of any size, which get colours from dark to bright.
    """

    title: str
    values: NDArray[np.float64]
    steps: int | None = None


def save_panels(rows: Sequence[Sequence[Panel]], path: Path) -> None:
    """Write maps of one size in rows.

    Raises:
        FileError: The file cannot be written.
    """
    height, width = rows[0][0].values.shape
    scale = max(1, math.ceil(SIDE / max(height, width)))
    across, down = max(width * scale, SIDE) + GAP, LINE + height * scale + BAR + 2 * LINE
    columns = max(map(len, rows))
    picture = Image.new("RGB", (GAP + columns * across, GAP + len(rows) * down), "white")
    draw = ImageDraw.Draw(picture)
    for row, panels in enumerate(rows):
        for column, panel in enumerate(panels):
            _draw(picture, draw, panel, (GAP + column * across, GAP // 2 + row * down), scale)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    write_atomically(path, buffer.getvalue())


def _draw(
    picture: Image.Image, draw: ImageDraw.ImageDraw, panel: Panel, corner: tuple[int, int], scale: int
) -> None:
    left, top = corner
    draw.text((left, top), panel.title, fill="black")
    there = panel.values[np.isfinite(panel.values)]
    low, high = (0.0, panel.steps - 1.0) if panel.steps else (float(there.min()), float(there.max()))
    colours = _colours(panel.values, low, high, grey=panel.steps is not None)
    large = colours.repeat(scale, axis=0).repeat(scale, axis=1)
    picture.paste(Image.fromarray(large), (left, top + LINE))
    legend = top + LINE + large.shape[0] + 4
    if panel.steps:
        place = left
        for step in range(panel.steps):
            shade = tuple(int(each) for each in _colours(np.full((1, 1), float(step)), low, high, True)[0, 0])
            draw.rectangle((place, legend, place + BAR, legend + BAR), fill=shade, outline="black")
            draw.text((place + BAR + 4, legend), f"level {step}", fill="black")
            place += BAR + 16 + int(draw.textlength(f"level {step}"))
        return
    ramp = _colours(np.linspace(low, high, SIDE)[None], low, high, grey=False).repeat(BAR, axis=0)
    picture.paste(Image.fromarray(ramp), (left, legend))
    numbers = f"{low:.2g}", f"{high:.2g}"
    draw.text((left, legend + BAR + 2), numbers[0], fill="black")
    draw.text((left + SIDE - draw.textlength(numbers[1]), legend + BAR + 2), numbers[1], fill="black")


def _colours(values: NDArray[np.float64], low: float, high: float, grey: bool) -> NDArray[np.uint8]:
    """Return colours, ``(H, W, 3)``, of values between ``low`` and ``high``."""
    share = (values - low) / (high - low) if high > low else np.zeros_like(values)
    found = np.isfinite(share)
    share = np.where(found, share, 0.0)
    stops = np.array([(0, 0, 0), (255, 255, 255)] if grey else _DARK_TO_BRIGHT, float)
    places = np.linspace(0.0, 1.0, len(stops))
    channels = [np.interp(share, places, stops[:, channel]) for channel in range(3)]
    mixed = np.stack(channels, axis=-1).round().astype(np.uint8)
    return np.where(found[..., None], mixed, np.uint8(NOWHERE))
