"""Glow's invertible 1x1 convolution."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowzoo.api import (
    EVALUATION,
    BijectorTraits,
    Call,
    ConditionalBijector,
    Images,
    PerImage,
    linear_contributions,
    log_det_dtype,
    widest_dtype,
)


@final
class InvertibleConv(ConditionalBijector):
    """Mixes the channels of each pixel by a matrix in factors, so that its determinant is cheap.

        z = W x,   W = P L (U + diag(sign exp(log_s))),   log_det = H W sum(log_s)

    ``P`` is a permutation, ``L`` lower triangular with ones on its diagonal and ``U`` strictly upper
    triangular. It starts as a random rotation, whose ``P`` and ``sign`` stay fixed. The context is ignored.

    Args:
        channels: ``C``.

    References:
        Kingma and Dhariwal, Glow, 2018, section 3.2, equation 10.
    """

    traits = BijectorTraits(has_contributions=True)
    order: Tensor
    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation, _ = torch.linalg.qr(torch.randn(channels, channels, dtype=torch.float64))
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        packed = lower.tril(-1) + upper.triu(1) + diagonal.abs().log().diag()
        # L below the diagonal, U above it and log_s on it.
        self.factors = nn.Parameter(packed.to(torch.get_default_dtype()))
        # Row i of P A is row order[i] of A.
        self.register_buffer("order", permutation.argmax(1))
        self.register_buffer("sign", diagonal.sign().to(torch.get_default_dtype()))

    @property
    def weight(self) -> Float[Tensor, "c c"]:
        """``W``."""
        lower, upper = self._triangles()
        return torch.addmm(upper, lower, upper).index_select(0, self.order)

    def extra_repr(self) -> str:
        return f"channels={len(self.order)}"

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        batch, _, height, width = x.shape
        log_det = self.factors.diagonal().sum(dtype=log_det_dtype(x)) * (height * width)
        return self._mix(x, self.weight), log_det.expand(batch)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        weight = self.weight
        own, carry = linear_contributions(weight)
        return self._mix(x, weight), self._mix(contributions, carry.to(contributions.dtype)) + own[
            :, None, None
        ]

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        # The matrix is small compared with the image, so it is inverted, in double precision.
        lower, upper = (factor.to(widest_dtype(z.device)) for factor in self._triangles())
        identity = torch.eye(len(lower), dtype=lower.dtype, device=lower.device)
        half = torch.linalg.solve_triangular(lower, identity, upper=False, unitriangular=True)
        inverse = torch.linalg.solve_triangular(upper, half, upper=True)[:, self.order]
        return self._mix(z, inverse.to(z.dtype))

    def _triangles(self) -> tuple[Tensor, Tensor]:
        """Return ``L`` without the ones on its diagonal, and ``U + diag(sign exp(log_s))``."""
        diagonal = self.sign * torch.exp(self.factors.diagonal())
        return self.factors.tril(-1), self.factors.triu(1) + diagonal.diag()

    @staticmethod
    def _mix(x: Images, matrix: Tensor) -> Images:
        # On the CPU, products of matrices are up to four times faster than a convolution of 1x1.
        z: Images = torch.bmm(matrix.expand(x.shape[0], -1, -1), x.flatten(2)).unflatten(2, x.shape[2:])
        return z
