"""Softplus and its derivative along a tangent, in one pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class _PushSoftplus(torch.autograd.Function):
    """With ``s = sigmoid(a)``: ``h = softplus(a)`` and ``dh = s da``, stacked.

    The backward pass is ``grad a = s grad h + s (1 - s) da grad dh`` and ``grad da = s grad dh``.
    """

    @staticmethod
    def forward(ctx: Any, a: Tensor, da: Tensor) -> Tensor:
        slope = torch.sigmoid(a)
        ctx.save_for_backward(slope, da)
        return torch.cat([F.softplus(a), slope * da])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        slope, da = ctx.saved_tensors
        of_h, of_dh = grad.chunk(2)
        grad_da = slope * of_dh
        # s grad h + (s grad dh) da (1 - s)
        curved = torch.addcmul(da, da, slope, value=-1.0)
        return torch.addcmul(slope * of_h, grad_da, curved), grad_da


def push_softplus(a: Tensor, da: Tensor) -> Tensor:
    """Return ``[softplus(a), softplus'(a) da]``, stacked along the batch.

    Args:
        a: ``(B, C, H, W)``.
        da: ``(B, C, H, W)``.

    Returns:
        ``(2B, C, H, W)``; its gradient cannot be differentiated once more.
    """
    if torch.is_grad_enabled() and (a.requires_grad or da.requires_grad):
        # torch gives apply no types.
        result: Tensor = _PushSoftplus.apply(a, da)  # type: ignore[no-untyped-call]  # torch's
        return result
    return torch.cat([F.softplus(a), torch.sigmoid(a) * da])
