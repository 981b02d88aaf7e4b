"""What a flow takes and gives: checks of images, temperatures, indices and results."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple, SupportsFloat, SupportsIndex

import torch
from torch import Tensor, nn

from flowzoo.call import Call, per_image_generators
from flowzoo.errors import DataError, NumericalError, OptionError
from flowzoo.integers import as_integer
from flowzoo.shapes import Images, PerImage
from flowzoo.tensors import is_exporting, weights_not_finite

Temperature = SupportsFloat | Iterable[SupportsFloat]
"""One number for all levels, or one for each, coarsest first."""

Labels = Tensor | Iterable[SupportsIndex] | SupportsIndex
"""The class of each image, or one class for all of them; -1 for no label."""

HIGHEST_TEMPERATURE = 10.0
"""Above it, latents are so far from those of data that no model returns anything like an image."""

NO_LABEL = -1
"""The label of an image that has none."""


class Dequantised(NamedTuple):
    """Integer images with noise.

    Attributes:
        x: ``(B, C, H, W)`` in ``[0, 1)``, in float64 where the device has it.
        log_q: Log-density of the noise in units of a bin, ``(B,)``, nats; 0 if it is uniform.
    """

    x: Images
    log_q: PerImage


def by_index(call: Call, indices: Iterable[SupportsIndex] | None, images: int) -> Call:
    """Return the call whose draws follow the images' indices, if there are any.

    Raises:
        OptionError: There is not one index for each image, or the call has a generator already.
    """
    if indices is None:
        return call
    if call.generator is not None:
        raise OptionError(
            "give either indices or a call with a generator, not both: indices seed each image's draws"
        )
    generators = per_image_generators(0, indices)
    if len(generators) != images:
        raise OptionError(f"there are {len(generators)} indices for {images} images; give one for each")
    return dataclasses.replace(call, generator=generators)


def given_labels(call: Call, labels: Labels, images: int, classes: int) -> Call:
    """Return the call with labels.

    Args:
        call: The call, which may hold labels already.
        labels: As :data:`Labels`.
        images: Number of images.
        classes: Number of classes that the model knows; 0 for a model without labels.

    Raises:
        OptionError: The model has no labels, there is no such class, or there is not one label for each
            image.
    """
    return dataclasses.replace(call, labels=check_labels(labels, images, classes))


def labels_of(labels: Labels | None, images: int, classes: int) -> Tensor | None:
    """Return labels as a tensor, ``(images,)``, if there are any; as :func:`check_labels`."""
    return None if labels is None else check_labels(labels, images, classes)


def labels_at(labels: Tensor | None, places: Iterable[int]) -> Tensor | None:
    """Return the labels of the images at some places, if there are any."""
    return None if labels is None else labels[torch.as_tensor(list(places), dtype=torch.long)]


def check_labels(labels: Labels, images: int, classes: int) -> Tensor:
    """Return labels as a tensor, ``(images,)``; arguments and errors as in :func:`given_labels`."""
    if not classes:
        raise OptionError(
            "labels are given, and this model has none. Leave them out, or train a model with the option "
            "classes"
        )
    found = _as_tensor(labels, images)
    if found.shape != (images,):
        raise OptionError(
            f"there are labels of shape {tuple(found.shape)} for {images} images; give one for each"
        )
    unknown = found[(found < NO_LABEL) | (found >= classes)]
    if len(unknown):
        raise OptionError(
            f"there is no class {int(unknown[0])}: this model has the classes 0 to {classes - 1}, and "
            f"{NO_LABEL} stands for no label"
        )
    return found


def _as_tensor(labels: Labels, images: int) -> Tensor:
    one = None if isinstance(labels, Tensor) and labels.ndim else as_integer(labels)
    if one is not None:
        return torch.full((images,), one)
    try:
        found = torch.as_tensor(labels if isinstance(labels, Tensor) else list(labels))  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError) as error:
        raise OptionError(f"labels are {labels!r:.60}. Give whole numbers, one for each image") from error
    if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
        raise OptionError(f"labels are numbers of {found.dtype}. Give whole numbers, one for each image")
    return found.long()


def require_finite(values: Tensor, what: str, advice: str, model: nn.Module) -> None:
    """Refuse values that are not finite.

    Args:
        values: One row for each image.
        what: What they are, for the message.
        advice: What to do about it, for a model whose weights are finite.
        model: The model that computed them.

    Raises:
        NumericalError: They are not; the message names the images, and the weights if these are the reason.
    """
    if is_exporting():
        return
    finite = values.isfinite().flatten(1).all(1) if values.ndim > 1 else values.isfinite()
    if not bool(finite.all()):
        bad = (~finite).nonzero().flatten()[:5].tolist()
        broken = weights_not_finite(model)
        if broken:
            raise NumericalError(
                f"{what} is not finite, since the model's weights are not: {broken} holds NaN or infinite "
                "values. Use another copy of the model, or train it again"
            )
        raise NumericalError(f"{what} is not finite for image(s) {bad} of the batch; {advice}")


def in_unit_interval(x: Images) -> Images:
    """Return images whose values lie in ``[0, 1)``.

    ``(a + u) / M`` rounds to 1 in single precision where ``u`` is close to 1. So a 1 in a format of at most
    32 bits is read as the largest number below 1, as :func:`flowzoo.dequantisation.dequantise` gives it.

    Raises:
        DataError: A value is outside, or not finite.
    """
    if is_exporting() or not x.numel():
        return x
    low, high = x.aminmax()  # NaN if a value is
    if bool((low >= 0) & (high < 1)):
        return x
    if x.dtype.itemsize <= 4 and bool((low >= 0) & (high <= 1)):
        return x.clamp(max=1.0 - torch.finfo(x.dtype).eps / 2)
    if not bool(x.isfinite().all()):
        raise DataError("images hold NaN or infinite values. Replace or remove these images.")
    raise DataError(
        f"images must lie in [0, 1), found values in [{low.item():g}, {high.item():g}]. "
        "For integer images call bits_per_dim, or dequantise them first"
    )


def temperatures_of(temperature: Temperature, levels: int) -> list[float]:
    """Return one temperature for each level, finest first.

    Raises:
        OptionError: There is another number of them, or one is out of range.
    """
    try:
        given = torch.as_tensor(temperature, dtype=torch.float64)
    except (RuntimeError, TypeError, ValueError) as error:
        raise OptionError(f"temperature: it must be a number, got {temperature!r:.60}") from error
    temperatures: list[float] = given.flip(0).tolist() if given.ndim else [float(given)] * levels
    if len(temperatures) != levels:
        raise OptionError(
            f"temperature: give one number, or one for each of the {levels} levels, coarsest first; "
            f"got {len(temperatures)}"
        )
    if not all(0.0 <= t <= HIGHEST_TEMPERATURE for t in temperatures):
        raise OptionError(
            f"temperature: it must lie between 0 and {HIGHEST_TEMPERATURE:g}, got {temperature}. Images of "
            "a trained model are best near 1"
        )
    return temperatures
