"""Proposals: the noise that turns the block means of an image into its coarse image."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn

from flowzoo.api import (
    Call,
    FirstPass,
    Images,
    PerImage,
    constant_log_det,
    log_det_dtype,
    standard_normal_log_prob,
)

SMALLEST_WIDTH = 1e-6
"""The width if no block of the first batch has any details."""


class Proposal(nn.Module, ABC):
    """A distribution ``q(c | x)`` of coarse images around the block means of ``x``: ``c = mean + noise``."""

    dequantises: bool = False
    """Whether the noise is uniform over one integer bin, in units of the pixels."""

    @abstractmethod
    def draw(self, mean: Images, bands: Images, call: Call) -> tuple[Images, PerImage]:
        """Draw noise.

        Args:
            mean: Mean of each block, ``(B, C, H, W)``.
            bands: The four pixels of each block, ``(B, 4C, H, W)``, offset-major.
            call: Draws the noise; the first pass over data may set the width.

        Returns:
            The noise, laid out as ``mean``, and ``log q`` of it, ``(B,)``, nats.
        """


@final
class Uniform(Proposal):
    """``U[-1/2, 1/2) w``, ``log q = -D log w`` for ``D`` coarse values.

    The noise is centred, since with ``U[0, w)`` the coarse images would drift up, level by level.

    Args:
        width: ``w``, greater than 0, in units of the image; None stands for ``1 / bins``.
        bins: Number of integers that a value of the data can take.
    """

    def __init__(self, width: float | None, bins: int) -> None:
        super().__init__()
        self.width = 1.0 / bins if width is None else width
        self.dequantises = math.isclose(self.width * bins, 1.0)
        self._fact = f"uniform, width {f'1/{bins}' if self.dequantises else f'{self.width:g}'}"

    def draw(self, mean: Images, bands: Images, call: Call) -> tuple[Images, PerImage]:
        call.note("proposal", self._fact)
        values = mean.shape[1:].numel()
        return (call.uniform(mean) - 0.5) * self.width, constant_log_det(mean, -values * math.log(self.width))


@final
class Gaussian(Proposal):
    """``N(0, w^2)``, ``log q = log N(noise / w; 0, I) - D log w`` for ``D`` coarse values.

    Args:
        width: ``w``, greater than 0, in units of the image; None: the root mean square distance of the
            pixels from their block mean, in the first batch of data. Then the coarse image says as much
            about a block's mean as one of its pixels does.
        learned: Whether ``w`` is trained, starting from that width.

    Raises:
        NotInitialisedError: On use before the first pass, if that pass sets the width.
    """

    log_width: Tensor

    def __init__(self, width: float | None, learned: bool) -> None:
        super().__init__()
        start = torch.tensor(0.0 if width is None else math.log(width))
        if learned:
            self.log_width = nn.Parameter(start)
        else:
            self.register_buffer("log_width", start)
        self.first_pass = FirstPass("pyramid")
        if width is not None:
            self.first_pass.finish()
        fixed = "width set by data" if width is None else f"width {width:g}"
        self._fact = f"gaussian, {'learned width' if learned else fixed}"

    def draw(self, mean: Images, bands: Images, call: Call) -> tuple[Images, PerImage]:
        if call.mode == "initialise" and not self.first_pass.done:
            self._initialise(mean, bands)
        self.first_pass.require()
        call.note("proposal", self._fact)
        noise = call.normal(mean)
        log_prob = standard_normal_log_prob(noise)
        log_q = log_prob - self.log_width.to(log_prob.dtype) * mean.shape[1:].numel()
        return noise * torch.exp(self.log_width), log_q

    @torch.no_grad()
    def _initialise(self, mean: Images, bands: Images) -> None:
        spread = (bands - mean.repeat(1, 4, 1, 1)).to(log_det_dtype(bands)).square().mean().sqrt()
        self.log_width.copy_(spread.clamp(min=SMALLEST_WIDTH).log())
        self.first_pass.finish()
