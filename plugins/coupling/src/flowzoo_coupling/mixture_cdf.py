"""Flow++'s map of single values: through the distribution function of a mixture of logistics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from flowzoo.api import Images, log_det_dtype, widest_dtype
from flowzoo_coupling.affine import AffineMap
from flowzoo_coupling.elementwise import Elementwise

PerLogistic = Float[Tensor, "batch logistics channels height width"]

VARIANCE = math.pi**2 / 3
"""Variance of a logistic of scale 1."""


@final
@dataclass(frozen=True)
class MixtureCDF(Elementwise):
    """The distribution function of a mixture of logistics, its logit, and then a scale and a shift.

        F(x) = sum over k of pi_k sigmoid((x - mu_k) / s_k)
        y = logit(F(x)) exp(a) + t,   log dy/dx = log F'(x) - log F(x) - log(1 - F(x)) + a

    All is computed from ``log F`` and ``log(1 - F)``, so far out ``y`` goes on in straight lines.

    With all parameters 0 the means lie evenly from -1 to 1, and the scale is such that the mixture has the
    variance of a single logistic: ``y`` is nearly ``x``. Equal logistics would give the identity, but
    they would have equal gradients, and stay equal.

    Attributes:
        scale_limit: The largest ``|a|`` and the largest ``|log s_k|`` (from where it starts).
        logistics: ``K``, their number.
        tolerance: Error of the inverse in float64, for values up to 1; relative to the value beyond.

    References:
        Ho et al., Flow++, 2019, section 3.2 and appendix A.
    """

    scale_limit: float
    logistics: int
    tolerance: float

    @property
    def parameters(self) -> int:  # type: ignore[override]
        return 2 + 3 * self.logistics

    def forward(self, x: Images, raw: Images) -> tuple[Images, Images]:
        affine, parameters = self._split(raw)
        bent, log_slope = self._mixture(parameters.to(log_det_dtype(x))).bend(x.to(log_det_dtype(x)))
        y, log_scale = self._affine.forward(bent.to(x.dtype), affine)
        return y, log_slope + log_scale

    def inverse(self, y: Images, raw: Images) -> Images:
        affine, parameters = self._split(raw)
        wide = widest_dtype(y.device)
        bent = self._affine.inverse(y.to(wide), affine.to(wide))
        return self._mixture(parameters.to(wide)).unbend(bent, self.tolerance).to(y.dtype)

    @property
    def _affine(self) -> AffineMap:
        return AffineMap(self.scale_limit)

    def _split(self, raw: Images) -> tuple[Images, PerLogistic]:
        """Return the parameters of the affine map and, three for each logistic, of the mixture."""
        channels = raw.shape[1] // self.parameters
        affine, mixture = raw.split([2 * channels, 3 * self.logistics * channels], dim=1)
        return affine, mixture.unflatten(1, (-1, channels))

    def _mixture(self, parameters: PerLogistic) -> Mixture:
        weights, means, scales = parameters.chunk(3, dim=1)
        places = torch.linspace(-1.0, 1.0, self.logistics, dtype=means.dtype, device=means.device)
        places = (places - places.mean())[:, None, None, None]
        start = 0.5 * torch.log1p(-places.square().mean() / VARIANCE)
        return Mixture(
            weights.log_softmax(dim=1), means + places, start + self.scale_limit * torch.tanh(scales)
        )


@dataclass(frozen=True)
class Mixture:
    """A mixture of logistics for each value.

    Attributes:
        log_weights: ``log pi_k``.
        means: ``mu_k``.
        log_scales: ``log s_k``.
    """

    log_weights: PerLogistic
    means: PerLogistic
    log_scales: PerLogistic

    def bend(self, x: Images) -> tuple[Images, Images]:
        """Return ``y = logit(F(x))`` and ``log dy/dx``."""
        standard = (x[:, None] - self.means) * torch.exp(-self.log_scales)
        log_below, log_above = F.logsigmoid(standard), F.logsigmoid(-standard)
        below, above = self.log_weights + log_below, self.log_weights + log_above
        log_cdf, log_tail = torch.logsumexp(below, 1), torch.logsumexp(above, 1)
        # F' / (F (1 - F)), from the side on which x lies: the large numbers of its tail cancel exactly there.
        lower, upper = log_cdf[:, None], log_tail[:, None]
        slopes = torch.where(
            lower < upper, (below - lower) + (log_above - upper), (above - upper) + (log_below - lower)
        )
        return log_cdf - log_tail, torch.logsumexp(slopes - self.log_scales, 1)

    def unbend(self, y: Images, tolerance: float) -> Images:
        """Return the ``x`` for which ``logit(F(x)) = y``, by bisection and then by Newton's method.

        ``F(x)`` lies between the smallest and the largest of the logistics' own distribution functions, and
        so ``x`` lies between the smallest and the largest of their own solutions, ``mu_k + s_k y``.
        """
        with torch.no_grad():
            ends = self.means + torch.exp(self.log_scales) * y[:, None]
            least = max(tolerance, 8 * torch.finfo(y.dtype).eps)
            # Newton's method squares the error that bisection leaves, where the slope hardly changes.
            low, high = self._bisect(y, ends.amin(1), ends.amax(1), torch.full_like(y, math.sqrt(least)))
            x = self._newton((low + high) / 2, y).clamp(low, high)
            reach = least * x.abs().clamp(min=1.0)
            far = (self.bend(x - reach)[0] > y) | (self.bend(x + reach)[0] < y)
            if bool(far.any()):
                low, high = self._bisect(y, low, high, torch.where(far, least, math.inf))
                x = torch.where(far, (low + high) / 2, x)
            low, high = torch.maximum(low, x - reach), torch.minimum(high, x + reach)
        better = self._newton(x, y)
        # The value stays where the solution is known to be; the gradients are those of Newton's step.
        return better + (better.clamp(low, high) - better).detach()

    def _bisect(self, y: Images, low: Images, high: Images, width: Images) -> tuple[Images, Images]:
        """Halve intervals around solutions until they are as narrow as ``width``, relative beyond 1."""
        # An infinite end, of parameters or values that overflowed, is no reason to go on for ever.
        while bool((wide := high - low > width * torch.maximum(low.abs(), high.abs()).clamp(min=1.0)).any()):
            middle = (low + high) / 2
            above = self.bend(middle)[0] > y
            # What has arrived stays, so that it does not depend on the other images of the batch.
            low = torch.where(wide & ~above, middle, low)
            high = torch.where(wide & above, middle, high)
        return low, high

    def _newton(self, x: Images, y: Images) -> Images:
        """Return a better solution of ``logit(F(x)) = y``, which has the solution's gradients."""
        image, log_slope = self.bend(x)
        return x - (image - y) * torch.exp(-log_slope.detach())
