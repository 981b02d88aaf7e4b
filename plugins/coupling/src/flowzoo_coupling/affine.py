"""Maps of single values that scale and shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch

from flowzoo.api import Images
from flowzoo_coupling.elementwise import Elementwise


@final
@dataclass(frozen=True)
class AffineMap(Elementwise):
    """``y = x exp(s) + t`` with ``s = s_max tanh(raw)``.

    Attributes:
        scale_limit: ``s_max``, the largest ``|s|``.

    References:
        Dinh et al., Density Estimation Using Real NVP, 2017, equations 7 and 8.
    """

    scale_limit: float
    parameters = 2

    def forward(self, x: Images, raw: Images) -> tuple[Images, Images]:
        log_scale, shift = self._parts(raw)
        return x * torch.exp(log_scale) + shift, log_scale

    def inverse(self, y: Images, raw: Images) -> Images:
        log_scale, shift = self._parts(raw)
        return (y - shift) * torch.exp(-log_scale)

    def _parts(self, raw: Images) -> tuple[Images, Images]:
        """Return ``s`` and ``t``."""
        scale, shift = raw.chunk(2, dim=1)
        return self.scale_limit * torch.tanh(scale), shift


@final
@dataclass(frozen=True)
class ShiftMap(Elementwise):
    """``y = x + t``, which preserves volume.

    References:
        Dinh et al., NICE, 2015.
    """

    parameters = 1

    def forward(self, x: Images, raw: Images) -> tuple[Images, Images]:
        return x + raw, torch.zeros_like(x)

    def inverse(self, y: Images, raw: Images) -> Images:
        return y - raw
