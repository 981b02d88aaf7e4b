"""Encoding and decoding of many images in batches, each image by itself.

What an image gives does not depend on the others: where a transform draws, its draw is seeded by the image's
place, and solvers calibrate on the first image only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import SupportsIndex

import torch
from torch import Tensor

from flowzoo.calibration import in_batches
from flowzoo.call import Call, per_image_generators
from flowzoo.errors import DataError
from flowzoo.flow import Flow
from flowzoo.flow_values import Labels, labels_at, labels_of
from flowzoo.integers import positive_integer
from flowzoo.shapes import Images
from flowzoo.solving import Solving
from flowzoo.warm_start import WarmStart

Progress = Callable[[int], None]
"""Called with the number of images done, after each batch."""


def no_progress(images: int) -> None:
    """Report nothing."""


@torch.no_grad()
def encode_in_batches(
    flow: Flow,
    x: Images,
    batch_size: SupportsIndex | None = None,
    progress: Progress = no_progress,
    labels: Labels | None = None,
) -> list[Images]:
    """Return the latents of images, finest level first.

    Args:
        flow: The model.
        x: ``(B, C, H, W)`` in ``[0, 1)``.
        batch_size: Images at once; by default all of them.
        progress: Called after each batch.
        labels: For a model with classes: the class of each image, ``(B,)``, or one for all; -1 for no label.

    Raises:
        ShapeError: ``x`` is not a batch of images of the model's shape.
        DataError: There is no image, or a value is not in ``[0, 1)``.
        OptionError: There is not one label for each image, or the model has no such class.
    """
    own = labels_of(labels, len(x), flow.classes)

    def encode(places: range, warm_start: WarmStart) -> Tensor:
        return _packed(flow.encode(x[places.start : places.stop], _call(places, warm_start, own)))

    return _unpacked(flow, _collect(flow, len(x), batch_size, encode, progress))


@torch.no_grad()
def decode_in_batches(
    flow: Flow,
    latents: Sequence[Images],
    batch_size: SupportsIndex | None = None,
    progress: Progress = no_progress,
    labels: Labels | None = None,
) -> Images:
    """Return the images, ``(B, C, H, W)``, of latents, finest level first; arguments as in encoding.

    Raises:
        ShapeError: The latents are not those of this model.
        OptionError: As in encoding.
        NumericalError: An image is not finite.
    """
    own = labels_of(labels, len(latents[0]), flow.classes)

    def decode(places: range, warm_start: WarmStart) -> Tensor:
        rows = [z[places.start : places.stop] for z in latents]
        return flow.decode(rows, _call(places, warm_start, own))

    return _collect(flow, len(latents[0]), batch_size, decode, progress)


def _collect(
    flow: Flow,
    count: int,
    batch_size: SupportsIndex | None,
    compute: Callable[[range, WarmStart], Tensor],
    progress: Progress,
) -> Tensor:
    if not count:
        raise DataError("there are no images to encode. Give at least one")
    at_once = count if batch_size is None else positive_integer("batch_size", batch_size)
    found = []
    for rows in in_batches(flow, count, at_once, int(flow.calibrates), compute):
        found.append(rows)
        progress(len(rows))
    return torch.cat(found)


def _call(places: range, warm_start: WarmStart, labels: Tensor | None) -> Call:
    return Call(
        generator=per_image_generators(0, places),
        solver=Solving(warm_start=warm_start),
        labels=labels_at(labels, places),
    )


def _packed(latents: Sequence[Images]) -> Tensor:
    """Return latents side by side, a row for each image."""
    return torch.cat([z.flatten(1) for z in latents], dim=1)


def _unpacked(flow: Flow, rows: Tensor) -> list[Images]:
    shapes = flow.latent_shapes
    parts = rows.split([torch.Size(shape).numel() for shape in shapes], dim=1)
    return [part.reshape(len(rows), *shape) for part, shape in zip(parts, shapes, strict=True)]
