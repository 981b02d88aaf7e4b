"""Normal noise that is cut at the ends of the bin."""

from __future__ import annotations

import math
from typing import Annotated, final

import torch
from pydantic import Field

from flowzoo.builtin.log_det import widest_dtype
from flowzoo.call import EVALUATION, Call
from flowzoo.component import Builder
from flowzoo.dequantisation import Dequantisation
from flowzoo.shapes import Images, IntegerImages, PerImage, Shape


@final
class TruncatedNormal(Dequantisation):
    """``u = 1/2 + sigma t``, with ``t`` standard normal given that ``u`` lies in the bin, ``[0, 1]``.

    ``log q(u) = -t^2 / 2 - log(sigma sqrt(2 pi)) - log erf(1 / (sigma sqrt(8)))`` for every value.

    It suits a continuous flow whose path starts at noise of ``sigma / M``. Any other model has to learn the
    shape of the noise in every bin; if it does not, that costs up to ``-log2(sigma sqrt(2 pi e))`` bits/dim.

    Args:
        sigma: Standard deviation in bins, before it is cut.

    References:
        Zheng et al., Improved Techniques for Maximum Likelihood Estimation for Diffusion ODEs, 2023.
    """

    affine_pixels = True

    def __init__(self, sigma: float = 1 / 6) -> None:
        super().__init__()
        assert sigma > 0.0, "builders check it"
        self.sigma = sigma

    @property
    def title(self) -> str:
        return f"truncated normal, sigma {self.sigma:.3g}"

    def extra_repr(self) -> str:
        return f"sigma={self.sigma:g}"

    def forward(self, images: IntegerImages, bins: int, call: Call = EVALUATION) -> tuple[Images, PerImage]:
        dtype = widest_dtype(images.device)
        inside = math.erf(1.0 / (self.sigma * math.sqrt(8.0)))
        # The middle of the cells of the draw, so that no value is the normal's infinite end.
        v = call.uniform(torch.empty(images.shape, dtype=dtype, device=images.device)) + 2.0**-25
        edge = 1.0 - torch.finfo(dtype).eps
        t = math.sqrt(2.0) * torch.erfinv(((2.0 * v - 1.0) * inside).clamp(-edge, edge))
        constant = math.log(self.sigma * math.sqrt(2.0 * math.pi)) + math.log(inside)
        log_q = (-0.5 * t.square() - constant).flatten(1).sum(1)
        return (0.5 + self.sigma * t).clamp(0.0, 1.0), log_q


def build_truncated_normal(
    shape: Shape,
    builder: Builder,
    *,
    sigma: Annotated[
        float,
        Field(ge=0.001, le=100.0, description="Standard deviation of the noise before it is cut, in bins."),
    ] = 1 / 6,
) -> TruncatedNormal:
    """Build :class:`TruncatedNormal`."""
    return TruncatedNormal(sigma)
