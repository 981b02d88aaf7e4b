"""Local bits-back coding: one image with its density under an invertible model.

The noise of dequantisation and the latents are decoded from the stack as random draws, so that their bits
come back when the image is decoded. With ``f`` the model, ``J`` its Jacobian, and a small ``sigma``::

    u ~ U;  x = (a + u) / M;  z ~ N(f(x), sigma^2 J J^T);   code x by N(f^-1(z), sigma^2 I), then z by N(0, I)

Both ends compute the same from ``x`` and ``z``, so the image comes back exactly, whatever the model is. The
length is ``-log2 p(a + u)`` up to the curvature of ``f`` within ``sigma``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from flowzoo.call import Call
from flowzoo.coding.normal import Normal
from flowzoo.coding.stack import BitStack
from flowzoo.errors import NumericalError
from flowzoo.evaluation.density.jacobian import Way, jacobian_of
from flowzoo.flow import Flow
from flowzoo.shapes import IntegerImages

NOISE_BITS = 22
"""Bits of the noise of one value: the grid of ``x`` has ``2^22`` points in a bin."""

SIGMA = 2.0**-16
"""Spread of ``x`` given ``z``, in bins."""

LATENT_BITS = 32
"""The grid of ``z`` has ``2^32`` points in a unit."""

_PRIOR = Normal(0.0, float(1 << LATENT_BITS))


@dataclass(frozen=True)
class Encoder:
    """``encode`` of a model at one image, as a map of vectors for its Jacobian.

    Args:
        flow: The model, in float64.
        start: The image, ``(1, D)``.
    """

    flow: Flow
    start: Tensor

    @property
    def room(self) -> Tensor:
        return torch.full_like(self.start, SIGMA / self.flow.bins)

    def __call__(self, rows: Tensor, image: int = 0) -> Tensor:
        latents = self.flow.encode(rows.reshape(-1, *self.flow.image_shape), Call())
        return torch.cat([z.flatten(1) for z in latents], dim=1)


@dataclass(frozen=True)
class ImageCoder:
    """Codes images by a model.

    Args:
        flow: The model, in float64 on the CPU, exact and without random parts.
        way: How its Jacobian is computed.
    """

    flow: Flow
    way: Way

    def push(self, stack: BitStack, image: IntegerImages) -> None:
        """Code one image, ``(1, C, H, W)``."""
        noise = [stack.pop_bits(NOISE_BITS) for _ in range(self.flow.dimensions)]
        grid = [(value << NOISE_BITS) + u for value, u in zip(image.flatten().tolist(), noise, strict=True)]
        mean, lower = self._local(grid)
        z = _drawn(stack, mean, lower)
        self._push_pixels(stack, grid, z)
        for value in z:
            _PRIOR.push(stack, value)

    def pop(self, stack: BitStack) -> IntegerImages:
        """Decode one image, ``(1, C, H, W)``, uint8."""
        dimensions = self.flow.dimensions
        z = [_PRIOR.pop(stack) for _ in range(dimensions)][::-1]
        grid = [each.pop(stack) for each in reversed(self._pixels(z))][::-1]
        mean, lower = self._local(grid)
        _give_back(stack, mean, lower, z)
        for each in reversed(grid):
            stack.push_bits(each & ((1 << NOISE_BITS) - 1), NOISE_BITS)
        values = torch.tensor([each >> NOISE_BITS for each in grid])
        return values.reshape(1, *self.flow.image_shape).to(torch.uint8)

    def _local(self, grid: list[int]) -> tuple[Tensor, Tensor]:
        """Return ``f(x)`` and the Cholesky factor of ``sigma^2 J J^T``, in points of the latents' grid."""
        scale = float(self.flow.bins << NOISE_BITS)
        x = (torch.tensor(grid, dtype=torch.float64) + 0.5) / scale
        encoder = Encoder(self.flow, x[None])
        with torch.no_grad():
            mean = encoder(encoder.start)[0]
        jacobian = jacobian_of(encoder, 0, self.way)
        if not bool(jacobian.isfinite().all()):
            raise NumericalError("the Jacobian of the model is not finite, so it cannot code this image")
        lower = torch.linalg.qr(jacobian.T, mode="r").R.T
        lower = lower * lower.diagonal().sign()
        points = float(1 << LATENT_BITS)
        return mean * points, lower * (SIGMA / self.flow.bins * points)

    def _push_pixels(self, stack: BitStack, grid: list[int], z: list[int]) -> None:
        for value, each in zip(grid, self._pixels(z), strict=True):
            each.push(stack, value)

    def _pixels(self, z: list[int]) -> list[Normal]:
        """Return the distribution of each point of ``x`` given the latents."""
        flat = torch.tensor(z, dtype=torch.float64) / (1 << LATENT_BITS)
        shapes = self.flow.latent_shapes
        parts = flat.split([shape[0] * shape[1] * shape[2] for shape in shapes])
        latents = [each.reshape(1, *shape) for each, shape in zip(parts, shapes, strict=True)]
        with torch.no_grad():
            x = self.flow.decode(latents, Call()).double().flatten()
        deviation = SIGMA * (1 << NOISE_BITS)
        scale = float(self.flow.bins << NOISE_BITS)
        return [Normal(each * scale - 0.5, deviation) for each in x.tolist()]


def _drawn(stack: BitStack, mean: Tensor, lower: Tensor) -> list[int]:
    """Decode the latents as a draw, one given those before."""
    noise = torch.zeros_like(mean)
    found = []
    for place, (centre, row) in enumerate(zip(mean.tolist(), lower, strict=True)):
        expected = centre + float(row[:place] @ noise[:place])
        deviation = float(row[place])
        value = Normal(expected, deviation).pop(stack)
        noise[place] = (value - expected) / deviation
        found.append(value)
    return found


def _give_back(stack: BitStack, mean: Tensor, lower: Tensor, z: list[int]) -> None:
    """Code the latents again, which restores the bits that their draw took."""
    noise = torch.zeros_like(mean)
    coded = []
    for place, (value, centre, row) in enumerate(zip(z, mean.tolist(), lower, strict=True)):
        expected = centre + float(row[:place] @ noise[:place])
        deviation = float(row[place])
        noise[place] = (value - expected) / deviation
        coded.append((Normal(expected, deviation), value))
    for normal, value in reversed(coded):
        normal.push(stack, value)
