"""The dtype of log-determinants, and those that do not depend on the data."""

from __future__ import annotations

import torch
from torch import Tensor

from flowzoo.shapes import Images, PerImage


def log_det_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype of a log-determinant for input ``x``: that of ``x``, but never below float32."""
    return torch.promote_types(x.dtype, torch.float32)


def constant_log_det(x: Images, nats: float) -> PerImage:
    """Return ``nats`` for each image of ``x``, ``(B,)``.

    >>> constant_log_det(torch.zeros(2, 1, 4, 4, dtype=torch.bfloat16), 0.5)
    tensor([0.5000, 0.5000])
    """
    return torch.full((x.shape[0],), nats, dtype=log_det_dtype(x), device=x.device)


def widest_dtype(device: torch.device) -> torch.dtype:
    """Return float64 where the device has it, else float32."""
    return torch.float32 if device.type == "mps" else torch.float64
