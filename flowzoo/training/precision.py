"""The number format of products in training. Weights, likelihoods and evaluation stay in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

Precision = Literal["float32", "tf32", "bfloat16"]


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Return the context of a training loss: torch's autocast for ``bfloat16``."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def rounded_products(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Return the context of a loss and its gradient: for ``tf32``, products on CUDA that round their factors.

    TF32 keeps 10 bits of mantissa, on recent NVIDIA GPUs; elsewhere it changes nothing.
    """
    return _tf32() if precision == "tf32" and device.type == "cuda" else nullcontext()


@contextmanager
def _tf32() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
