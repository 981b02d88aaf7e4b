"""Random weights for trials, so that layers that start at zero have an effect."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def randomise(module: nn.Module, seed: int) -> None:
    """Add noise to every parameter that trains, so that layers that start at zero have an effect.

    Its spread is ``0.3 / sqrt(fan-in)``: a layer changes much, and a stack of them stays tame. A parameter
    that needs no gradient is frozen, to a value that may be the only right one, and stays as it is.

    Args:
        module: The module, whose parameters are changed in place.
        seed: Seed of the noise.
    """
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        if not parameter.requires_grad:
            continue
        fan_in = max(1, parameter[0].numel()) if parameter.ndim else 1
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.add_((0.3 / fan_in**0.5 * noise).to(parameter))
