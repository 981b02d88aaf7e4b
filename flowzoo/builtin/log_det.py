"""The dtype of log-determinants, and those that do not depend on the data."""

from __future__ import annotations

import weakref
from typing import final

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


@final
class MatrixLogDet:
    """``log |det W|`` of a matrix, nats, which is computed again only when the matrix has changed.

    >>> MatrixLogDet().of(torch.eye(3) * 2.0)
    tensor(2.0794)
    """

    def __init__(self) -> None:
        # A weak reference and a number: what is kept beside a module does not move or copy with it.
        self._found: tuple[weakref.ref[Tensor], int, torch.dtype, float] | None = None

    def __reduce__(self) -> tuple[type[MatrixLogDet], tuple[()]]:
        """Copies begin anew: a copy of a tensor counts its changes from zero."""
        return MatrixLogDet, ()

    def of(self, matrix: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Return it, ``()``.

        Args:
            matrix: ``(D, D)``.
            dtype: Dtype of the computation. None: that of the matrix.
        """
        dtype = dtype or matrix.dtype
        if _is_traced() or matrix.requires_grad or matrix.is_inference():
            return _log_abs_det(matrix, dtype)
        if self._found is not None:
            known, version, known_dtype, nats = self._found
            if known() is matrix and version == matrix._version and known_dtype == dtype:
                return _number(nats, matrix, dtype)
        nats = float(_log_abs_det(matrix, dtype))
        self._found = weakref.ref(matrix), matrix._version, dtype, nats
        return _number(nats, matrix, dtype)


def _number(nats: float, matrix: Tensor, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):  # training may use it later
        return torch.full((), nats, dtype=dtype, device=matrix.device)


def _is_traced() -> bool:
    """Whether results belong to the compiler or a transform of ``torch.func``, so that none may be kept."""
    return torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()


def _log_abs_det(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    log_det: Tensor = torch.linalg.slogdet(matrix.to(dtype)).logabsdet
    return log_det
