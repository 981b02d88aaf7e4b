"""Monotone rational-quadratic splines, one for each value, with an inverse that always works."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from nflows.transforms.splines.rational_quadratic import (
    DEFAULT_MIN_DERIVATIVE,
    unconstrained_rational_quadratic_spline,
)
from torch import Tensor

from flowzoo.api import widest_dtype

Values = Float[Tensor, "*values"]
Parameters = Float[Tensor, "*values parameters"]

SLOPE_OF_ONE = math.log(math.expm1(1.0 - DEFAULT_MIN_DERIVATIVE))
"""The parameter that nflows turns into a slope of 1."""

HALVINGS = 64
"""Number of bisections of ``[-bound, bound]``, down to the rounding of float64."""


@dataclass(frozen=True)
class RationalQuadratic:
    """``y = g(x)``: increasing and smooth on ``[-bound, bound]``, the identity outside.

    Between the knots ``g`` is a quotient of two quadratics. The parameters of a value are the logits of its
    spline's bin widths and heights, and the slopes at the inner knots; at the bounds the slope is 1. With all
    parameters 0 it is the identity.

    Attributes:
        bins: Number of pieces of the spline.
        bound: Values beyond ``[-bound, bound]`` do not change.

    References:
        Durkan et al., "Neural Spline Flows", 2019, section 3.1.
    """

    bins: int
    bound: float

    @property
    def parameters(self) -> int:
        """Number of parameters of the spline of one value."""
        return 3 * self.bins - 1

    def forward(self, x: Values, parameters: Parameters) -> tuple[Values, Values]:
        """Return ``g(x)`` and ``log g'(x)``, both in the shape of ``x``."""
        return self._spline(x, parameters)

    def inverse(self, y: Values, parameters: Parameters) -> Values:
        """Return the ``x`` for which ``g(x) = y``; NaN if ``y`` or a parameter is NaN.

        It is computed in float64 if the device has it: nflows solves a quadratic equation, and refuses the
        batch if rounding makes a discriminant negative, which happens in float32.
        """
        wide = widest_dtype(y.device)
        target, parameters = y.to(wide), parameters.to(wide)
        try:
            x = self._spline(target, parameters, inverse=True)[0]
        except AssertionError:
            x = torch.where(target.abs() < self.bound, math.nan, target)
        lost = x.isnan() & ~target.isnan() & parameters.isfinite().all(-1)
        if lost.any():
            x = x.masked_scatter(lost, self._bisect(target[lost], parameters[lost]))
        return x.to(y.dtype)

    def _spline(self, values: Values, parameters: Parameters, inverse: bool = False) -> tuple[Values, Values]:
        # At the bound itself nflows looks for a bin beyond the last one if bound + 1e-6 rounds to bound.
        inside = values.abs() < self.bound
        widths, heights, slopes = parameters.split([self.bins, self.bins, self.bins - 1], dim=-1)
        bent, log_slope = unconstrained_rational_quadratic_spline(
            torch.where(inside, values, 0.0),
            widths,
            heights,
            slopes + SLOPE_OF_ONE,
            inverse=inverse,
            tails="linear",
            tail_bound=self.bound,
        )
        return torch.where(inside, bent, values), torch.where(inside, log_slope, 0.0)

    def _bisect(self, y: Values, parameters: Parameters) -> Values:
        """Return the ``x`` for which ``g(x) = y`` by halving the interval that holds it."""
        with torch.no_grad():
            low, high = torch.full_like(y, -self.bound), torch.full_like(y, self.bound)
            for _ in range(HALVINGS):
                middle = (low + high) / 2
                above = self._spline(middle, parameters)[0] > y
                low, high = torch.where(above, low, middle), torch.where(above, middle, high)
            x = (low + high) / 2
        # A Newton step gives the result its gradients; it does not improve the value.
        image, log_slope = self._spline(x, parameters)
        step: Tensor = (image - y) * torch.exp(-log_slope.detach())
        return x - (step - step.detach())
