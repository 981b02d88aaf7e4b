"""Integer images to values in ``[0, 1)`` and back: ``x = (a + u) / M``."""

from __future__ import annotations

import torch

from flowzoo.call import EVALUATION, Call
from flowzoo.errors import DataError
from flowzoo.shapes import Images, IntegerImages, require_tensor


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
    wide = images.to(torch.float32 if images.device.type == "mps" else torch.float64)
    x = (wide + call.uniform(wide)) / bins
    # (255 + u) / 256 rounds to 1 where u is within half a unit in the last place of 1.
    return x.clamp_(max=1.0 - torch.finfo(x.dtype).eps / 2)


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
    if images.numel():
        low, high = int(images.min()), int(images.max())
        if low < 0 or high >= bins:
            raise DataError(
                f"expected integers in 0..{bins - 1}, found values in {low}..{high}. "
                f"Is {bins} the right number of bins for this data?"
            )
