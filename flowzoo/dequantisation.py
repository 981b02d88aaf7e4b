"""Integer images to values in ``[0, 1)`` and back: ``x = (a + u) / M``, with noise ``u``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import nn

from flowzoo.call import EVALUATION, Call
from flowzoo.errors import DataError
from flowzoo.one_pass import BeginsPasses
from flowzoo.shapes import Images, IntegerImages, PerImage, require_tensor


class Dequantisation(BeginsPasses, nn.Module, ABC):
    """A distribution ``q(u | a)`` of the noise that makes integer images ``a`` continuous.

    Every such distribution gives a bound on the likelihood of the integers::

        log P(a) >= E_q[log p((a + u) / M) - log q(u | a)] - D log M

    Its parameters train with the model, so the noise is a differentiable function of draws of the call:
    ``call.normal`` or ``call.uniform``, one number for each value of the image. The density audit computes
    ``log q`` from that function.

    Attributes:
        affine_pixels: Whether the pixel transform has to be affine: a logit would bend the bins, and with
            them the shape of the noise.
    """

    affine_pixels: bool = False

    @property
    @abstractmethod
    def title(self) -> str:
        """What is shown with figures, such as ``uniform``."""

    @abstractmethod
    def forward(self, images: IntegerImages, bins: int, call: Call = EVALUATION) -> tuple[Images, PerImage]:
        """Draw the noise.

        Args:
            images: ``(B, C, H, W)``, integers in ``{0, ..., bins - 1}``.
            bins: ``M``, the number of integers that a value can take; 256 for bytes.
            call: Its generator draws. In the mode ``initialise``, parts take their state from the data.

        Returns:
            ``u``, ``(B, C, H, W)`` in ``[0, 1]``, in float64 where the device has it, and ``log q(u | a)``,
            ``(B,)``, nats.
        """


@final
class Uniform(Dequantisation):
    """``u ~ U[0, 1)``, whose density is 1."""

    @property
    def title(self) -> str:
        return "uniform"

    def forward(self, images: IntegerImages, bins: int, call: Call = EVALUATION) -> tuple[Images, PerImage]:
        u = call.uniform(_widened(images))
        return u, u.new_zeros(len(u))


def dequantise(images: IntegerImages, bins: int, call: Call = EVALUATION) -> Images:
    """Add uniform noise to integer images and scale them to ``[0, 1)``.

    The result is float64 where the device has it: a logit needs the digits near 1, which float32 rounds away.
    The largest value is the largest number below 1.

    >>> images = torch.tensor([[[[0, 255]]]], dtype=torch.uint8)
    >>> noise = Call(generator=torch.Generator().manual_seed(0))
    >>> dequantise(images, bins=256, call=noise).dtype
    torch.float64

    Args:
        images: ``(B, C, H, W)``, integers in ``{0, ..., bins - 1}``.
        bins: ``M``, the number of integers that a value can take; 256 for bytes.
        call: Its generator draws the noise. Without one, the noise is the same each time.

    Returns:
        ``(B, C, H, W)`` in ``[0, 1)``.

    Raises:
        DataError: A value lies outside ``{0, ..., bins - 1}``.
    """
    check_integers(images, bins)
    return add_noise(images, call.uniform(_widened(images)), bins)


def add_noise(images: IntegerImages, u: Images, bins: int) -> Images:
    """Return ``(a + u) / M`` in ``[0, 1)``; ``u`` in ``[0, 1]``."""
    # The largest noise in single precision, so that a + u does not round to the next integer.
    x = (_widened(images) + u.clamp(0.0, 1.0 - torch.finfo(torch.float32).eps / 2)) / bins
    # In single precision (255 + u) / 256 rounds to 1 where u is close to 1.
    return x.clamp(max=1.0 - torch.finfo(x.dtype).eps / 2)


def quantise(x: Images, bins: int) -> IntegerImages:
    """Return the integer images whose bins contain ``x``; values outside ``[0, 1)`` go to the nearest bin."""
    integers = (x.double() * bins).floor().clamp(0, bins - 1)
    return integers.to(torch.uint8 if bins <= 256 else torch.int32)


def check_integers(images: IntegerImages, bins: int) -> None:
    """Refuse images that are not integers in ``{0, ..., bins - 1}``.

    Raises:
        DataError: The images are not such integers.
    """
    require_tensor(images)
    if images.is_floating_point() or images.is_complex() or images.dtype == torch.bool:
        raise DataError(
            f"expected integer images in 0..{bins - 1}, got {images.dtype}. "
            "For values in [0, 1) call log_prob. Convert floats that hold integers: .to(torch.uint8)"
        )
    holds = torch.iinfo(images.dtype)
    if images.numel() and not (holds.min >= 0 and holds.max < bins):
        low, high = int(images.min()), int(images.max())
        if low < 0 or high >= bins:
            raise DataError(
                f"expected integers in 0..{bins - 1}, found values in {low}..{high}. "
                f"Is {bins} the right number of bins for this data?"
            )


def _widened(images: IntegerImages) -> Images:
    """Return the same numbers in float64; in float32 on Apple's devices, which have no other."""
    return images.to(torch.float32 if images.device.type == "mps" else torch.float64)
