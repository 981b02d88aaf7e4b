"""Up- and down-scaling by a model whose levels keep a smaller image.

``E`` scales an image down through the finest levels, ``D`` scales a coarse image up through them with all
noise set to zero, and ``P = D o E`` is a projection onto the images that ``D`` can return::

    E(D(z)) = z,    P(P(x)) = P(x),    E(up-scaling of z) = z for any noise

All three hold in the space of the levels. Under a logit that is the space of logits: the coarse image is
then the logistic of a mean of logits, not the mean of the pixels. A stochastic transform draws its coarse
image, so its ``E`` returns another one than ``D`` was given.

All images are in pixel space. Samples may leave ``[0, 1)``, so both directions accept what the pixel
transform accepts: a logit accepts values up to ``alpha / (1 - 2 alpha)`` outside.

References:
    "PNF: Progressive normalizing flows", INNF+ 2021, section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import SupportsIndex

import torch
from torch import Tensor

from flowzoo.builtin.log_det import widest_dtype
from flowzoo.calibration import in_batches
from flowzoo.call import Call, per_image_generators
from flowzoo.errors import DataError, OptionError, ShapeError
from flowzoo.flow import Flow
from flowzoo.flow_values import Labels, labels_at, labels_of, require_finite
from flowzoo.integers import as_integer, positive_integer
from flowzoo.seeds import check_seed
from flowzoo.shapes import Images, Shape
from flowzoo.solving import Solving
from flowzoo.warm_start import WarmStart


def coarse_shape(flow: Flow, steps: SupportsIndex) -> Shape:
    """Return ``(C, H, W)`` of the image after the ``steps`` finest levels.

    Raises:
        OptionError: The model does not have so many levels, one of these keeps no smaller image, or the pixel
            transform works at one size only.
    """
    count = check_steps(flow, steps)
    if not flow.pixels.traits.pointwise:
        raise OptionError(
            "the pixel transform of this model does not take coarse images. Make the model with affine or "
            "logit pixels"
        )
    shape = flow.image_shape
    for place in range(count):
        level = flow.level(place)
        kept, _ = level.shapes(shape)
        assert kept is not None, "only the last level keeps nothing"
        if kept[0] != shape[0]:
            raise _keeps_no_image(place, f"its split keeps {kept[0]} channels of images that have {shape[0]}")
        if level.joint.state_dict():
            raise _keeps_no_image(place, "its joint mixes the pixels before they are split")
        shape = kept
    return shape


def check_steps(flow: Flow, steps: SupportsIndex) -> int:
    """Return ``steps`` as Python's own integer.

    Raises:
        OptionError: The model does not have so many levels besides the coarsest.
    """
    count = as_integer(steps)
    if count and len(flow.levels) == 1:
        raise OptionError(
            "this model has one level, so it keeps no smaller image to scale. Use a model with several levels"
        )
    if count is None or not 0 <= count < len(flow.levels):
        raise OptionError(
            f"steps is {steps!r:.40}, and this model scales by at most {len(flow.levels) - 1} steps: it has "
            f"{len(flow.levels)} level(s), and the last keeps no image. Give a smaller number of steps"
        )
    return count


@torch.no_grad()
def downscale(flow: Flow, x: Images, steps: SupportsIndex) -> Images:
    """Return ``E(x)``: the image after the finest levels, in pixel space.

    Args:
        flow: The model; its levels have to keep smaller images.
        x: ``(B, C, H, W)`` in ``[0, 1)`` up to what a sample leaves outside.
        steps: Through how many of the finest levels.

    Returns:
        ``(B, C, h, w)``: block means with affine pixels and a transform whose coarse image is a mean. In
        float64 where the device has it, since a logit needs the digits near 1.

    Raises:
        OptionError: As :func:`coarse_shape`.
        ShapeError: ``x`` is not a batch of images of the model's shape.
        DataError: A value lies where the pixel transform is not defined.
    """
    coarse_shape(flow, steps)
    return to_pixels(flow, _take_down(flow, _enter(flow, x, flow.image_shape), steps))


@torch.no_grad()
def upscale(
    flow: Flow,
    coarse: Images,
    steps: SupportsIndex,
    temperature: float = 1.0,
    seed: SupportsIndex | None = None,
    *,
    first: int = 0,
    labels: Labels | None = None,
    batch_size: SupportsIndex | None = None,
) -> Images:
    """Draw images that :func:`downscale` takes to a given one.

    With the same seed and temperature the noise is that of :meth:`~flowzoo.flow.Flow.sample`, image by image:
    more images, or other batches, change none of those before.

    Args:
        flow: The model; its levels have to keep smaller images.
        coarse: ``(B, C, h, w)`` of :func:`coarse_shape`, in ``[0, 1)`` up to what a sample leaves outside.
        steps: Through how many of the finest levels.
        temperature: Standard deviation of these levels' latents; at 0 the result is ``D(coarse)``.
        seed: Makes the draw repeatable; the global random state is not touched either way.
        first: Number of the first image among those of the seed; another number gives another draw.
        labels: For a model with classes: the class that each image is decoded with, ``(B,)``, or one for all;
            -1 for no label.
        batch_size: Images at once; by default all of them.

    Returns:
        ``(B, C, H, W)``, in ``[0, 1)`` up to what the model leaves outside; dtype as :func:`downscale`.

    Raises:
        OptionError: As :func:`downscale`, or the temperature or the seed is out of range, the model has no
            such class, or there is not one label for each image.
        ShapeError: ``coarse`` is not a batch of images of that shape.
        DataError: As :func:`downscale`, or a value lies more than 1 outside ``[0, 1)``: it is in other units.
        NumericalError: The result is not finite.
    """
    y = _enter(flow, coarse, coarse_shape(flow, steps))
    if not len(coarse):
        raise DataError("there are no coarse images to scale up. Give at least one")
    if not bool(((coarse >= -1.0) & (coarse < 2.0)).all()):
        raise DataError(
            f"coarse images lie in or near [0, 1), found {_range(coarse)}. Divide bytes by 256 before scaling"
        )
    base = torch.Generator().seed() if seed is None else check_seed(seed)
    at_once = len(y) if batch_size is None else positive_integer("batch_size", batch_size)
    own = labels_of(labels, len(y), flow.classes)

    def draw(places: range, warm_start: WarmStart) -> Images:
        generators = per_image_generators(base, (first + place for place in places))
        given = labels_at(own, places)
        call = Call(generator=generators, solver=Solving(warm_start=warm_start), labels=given)
        return to_pixels(flow, _take_up(flow, y[places.start : places.stop], steps, temperature, call))

    # The pilot is only the first image, since there is always one.
    return torch.cat(list(in_batches(flow, len(y), at_once, int(flow.calibrates), draw)))


@torch.no_grad()
def project(
    flow: Flow,
    x: Images,
    steps: SupportsIndex,
    *,
    labels: Labels | None = None,
    batch_size: SupportsIndex | None = None,
    progress: Callable[[int], None] = lambda images: None,
) -> Images:
    """Return ``P(x) = D(E(x))``: the image with zero noise in the latents of the finest levels.

    The same as :func:`downscale` and then :func:`upscale` at temperature 0, but that what the levels keep
    does not pass through pixel space. So the levels need not keep images: ``P(P(x)) = P(x)`` holds for every
    model without a stochastic transform.

    Args:
        flow: The model.
        x: ``(B, C, H, W)`` in ``[0, 1)`` up to what a sample leaves outside.
        steps: The number of finest levels whose latents become zero.
        labels: For a model with classes: the class that each image is encoded and decoded with, ``(B,)``, or
            one for all; -1 for no label.
        batch_size: Images at once; by default all of them.
        progress: Called with the number of images done, after each batch.

    Returns:
        ``(B, C, H, W)``; dtype as :func:`downscale`.

    Raises:
        OptionError: The model has too few levels or no such class, or there is not one label for each image.
        ShapeError: ``x`` is not a batch of images of the model's shape.
        DataError: There is no image, or a value lies where the pixel transform is not defined.
        NumericalError: The result is not finite.
    """
    count = check_steps(flow, steps)
    y = _enter(flow, x, flow.image_shape)
    if not len(x):
        raise DataError("there are no images to project. Give at least one")
    at_once = len(y) if batch_size is None else positive_integer("batch_size", batch_size)
    own = labels_of(labels, len(x), flow.classes)

    def decode(places: range, warm_start: WarmStart) -> Images:
        given = labels_at(own, places)
        generators = per_image_generators(0, places)
        call = Call(generator=generators, solver=Solving(warm_start=warm_start), labels=given)
        kept = _take_down(flow, y[places.start : places.stop], count, places.start, given)
        return to_pixels(flow, _take_up(flow, kept, count, 0.0, call))

    found = []
    for images in in_batches(flow, len(y), at_once, int(flow.calibrates), decode):
        found.append(images)
        progress(len(images))
    return torch.cat(found)


def _take_down(
    flow: Flow, y: Images, steps: SupportsIndex, first: int = 0, labels: Tensor | None = None
) -> Images:
    # If a transform draws, an image's draw must not depend on other images.
    call = Call(generator=per_image_generators(0, range(first, first + len(y))), labels=labels)
    for place in range(steps):
        kept = flow.level(place).take_apart(y, call).kept
        assert kept is not None, "only the last level keeps nothing"
        y = kept
    return y


def _take_up(flow: Flow, y: Images, steps: SupportsIndex, temperature: float, call: Call) -> Images:
    # Noise of the coarser levels is drawn too and dropped, so that a seed gives the same noise as in
    # sampling.
    latents = flow.draw_latents(len(y), temperature, call)
    for place in reversed(range(steps)):
        y = flow.level(place).inverse(y, latents[place], call)
    return y


def _enter(flow: Flow, images: Images, shape: Shape) -> Images:
    """Check images and transform them to the space of the levels, in the levels' dtype."""
    if images.ndim != 4 or tuple(images.shape[1:]) != shape:
        raise ShapeError(
            f"expected images of shape (B, {', '.join(map(str, shape))}), got {tuple(images.shape)}"
        )
    if not images.is_floating_point():
        raise DataError(
            f"scaling takes values in [0, 1), got {images.dtype}. "
            f"For integer images give (images + 0.5) / {flow.bins}"
        )
    images = images.to(flow.device)
    y, _ = flow.pixels(images)
    y = y.to(flow.dtype)
    if not bool(y.isfinite().all()):
        raise DataError(
            f"scaling takes values in [0, 1), and found {_range(images)}, for which the pixel transform of "
            "this model is not defined. Clip the values"
        )
    return y


def to_pixels(flow: Flow, y: Images) -> Images:
    """Transform images from the space of the levels to pixel space, in float64 where the device has it.

    Raises:
        NumericalError: A value is not finite.
    """
    x = flow.pixels.inverse(y.to(widest_dtype(y.device)))
    require_finite(x, "a scaled image", "lower the temperature, or train the model for longer", flow)
    return x


def _range(images: Images) -> str:
    return f"values in [{images.min().item():g}, {images.max().item():g}]"


def _keeps_no_image(place: int, why: str) -> OptionError:
    advice = (
        f"Scale by at most {place} step(s)"
        if place
        else "Use a model that does, such as one with transform=haar, split=keep-first-channels and no joint"
    )
    return OptionError(f"level {place} of this model keeps no smaller image: {why}. {advice}")
