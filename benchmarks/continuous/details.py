"""Haar details of colour photographs: 16x16x9 values, given the 16x16x3 image that they refine.

Random 32x32 crops of the two photographs that scikit-learn bundles (china.jpg and flower.jpg, 427x640),
dequantised, through a logit with alpha 0.05, taken apart by the Haar transform, standardised by channel.
Training sees the left three quarters of the photographs, measurements the right quarter.
"""

from __future__ import annotations

from functools import cache

import torch
from sklearn.datasets import load_sample_image
from torch import Tensor

from flowzoo.call import Call
from flowzoo.dequantisation import dequantise
from flowzoo.registry.build import build_component

SOURCE = "Haar details of 32x32 crops of scikit-learn's china.jpg and flower.jpg, logit 0.05, standardised"
PHOTOGRAPHS = ("china.jpg", "flower.jpg")
TRAINING_SHARE = 0.75
CROP = 32


class Details:
    """Draws batches.

    Args:
        held_out: From the quarter that training does not see.
        seed: Seed of the crops and the dequantisation.
        device: Where the batches go.
    """

    def __init__(self, held_out: bool, seed: int, device: torch.device) -> None:
        self._regions = _regions(held_out)
        self._generator = torch.Generator().manual_seed(seed)
        self._device = device

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        """Return details, ``(B, 9, 16, 16)``, and the smaller images, ``(B, 3, 16, 16)``, float32."""
        details, images = _take_apart(_crops(self._regions, size, self._generator), self._generator)
        mean, spread = _statistics()
        y = (torch.cat([details, images], dim=1) - mean) / spread
        y = y.float().to(self._device)
        return y[:, :9].contiguous(), y[:, 9:].contiguous()


@cache
def _regions(held_out: bool) -> list[Tensor]:
    photographs = [torch.from_numpy(load_sample_image(name).copy()).permute(2, 0, 1) for name in PHOTOGRAPHS]
    cut = int(TRAINING_SHARE * photographs[0].shape[2])
    return [each[:, :, cut:] if held_out else each[:, :, :cut] for each in photographs]


def _crops(regions: list[Tensor], size: int, generator: torch.Generator) -> Tensor:
    crops: list[Tensor] = []
    for _ in range(size):
        region = regions[int(torch.randint(len(regions), (), generator=generator))]
        top, left = (
            int(torch.randint(length - CROP + 1, (), generator=generator)) for length in region.shape[1:]
        )
        crops.append(region[:, top : top + CROP, left : left + CROP])
    return torch.stack(crops)


def _take_apart(crops: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    logit = build_component("bijector", "logit", (3, CROP, CROP), None)
    haar = build_component("transform", "haar", (3, CROP, CROP))
    y = haar(logit(dequantise(crops, 256, Call(generator=generator)))[0])[0]
    return y[:, 3:], y[:, :3]


@cache
def _statistics() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    y = torch.cat(_take_apart(_crops(_regions(False), 1024, generator), generator), dim=1)
    return y.mean((0, 2, 3), keepdim=True), y.std((0, 2, 3), keepdim=True)
