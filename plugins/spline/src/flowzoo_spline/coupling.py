"""One coupling layer of splines."""

from __future__ import annotations

from typing import final

from jaxtyping import Float, Int
from torch import Tensor

from flowzoo.api import (
    EVALUATION,
    BijectorTraits,
    Call,
    ConditionalBijector,
    Images,
    Network,
    PerImage,
    as_shape,
    log_det_dtype,
)
from flowzoo_spline.checkerboard import moving_places
from flowzoo_spline.rational_quadratic import RationalQuadratic

Places = Int[Tensor, " moving"]
"""The values that a layer changes, in raster order."""

Moving = Float[Tensor, "batch moving"]
"""One number for each of those values."""

Parameters = Float[Tensor, "batch moving parameters"]
"""The parameters of their splines."""


@final
class SplineCoupling(ConditionalBijector):
    """Changes every second value by its own spline, given the other values and the context.

        z_b = g(x_b; theta(x_a, c)),   z_a = x_a,   log_det = sum over b of log g'(x_b)

    Args:
        parity: Selects the values that change; see :func:`~flowzoo_spline.checkerboard.moving_places`.
        network: Maps ``x_a``, with zeros for ``x_b``, and ``c`` to ``theta``: its channel ``c P + p`` is
            parameter ``p`` of channel ``c``'s values.
        spline: ``g``, with ``P`` parameters.

    References:
        Durkan et al., "Neural Spline Flows", 2019, section 3.2.
    """

    traits = BijectorTraits(has_contributions=True)

    def __init__(self, parity: int, network: Network, spline: RationalQuadratic) -> None:
        super().__init__()
        self.parity = parity % 2
        self.network = network
        self.spline = spline

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        places = self._places(x)
        z, log_slopes = self._bend(x, places, context, call)
        return z, log_slopes.sum(1)

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        places = self._places(x)
        z, log_slopes = self._bend(x, places, context, call)
        own = log_slopes.to(contributions.dtype)
        return z, contributions.flatten(1).index_add(1, places, own).reshape(contributions.shape)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        places = self._places(z)
        x = self.spline.inverse(_take(z, places), self._splines(z, places, context, call))
        return _replace(z, places, x)

    def _bend(self, x: Images, places: Places, context: Images | None, call: Call) -> tuple[Images, Moving]:
        z, log_slopes = self.spline.forward(_take(x, places), self._splines(x, places, context, call))
        return _replace(x, places, z), log_slopes

    def _splines(self, x: Images, places: Places, context: Images | None, call: Call) -> Parameters:
        seen = x.flatten(1).index_fill(1, places, 0.0).reshape(x.shape)
        theta = self.network(seen, context, None, call).unflatten(1, (-1, self.spline.parameters))
        splines: Parameters = theta.movedim(2, -1).flatten(1, 3)[:, places]
        return splines.to(log_det_dtype(x))

    def _places(self, x: Images) -> Places:
        return moving_places(as_shape(x.shape[1:]), self.parity).to(x.device)


def _take(x: Images, places: Places) -> Moving:
    return x.flatten(1)[:, places].to(log_det_dtype(x))


def _replace(x: Images, places: Places, values: Moving) -> Images:
    return x.flatten(1).index_copy(1, places, values.to(x.dtype)).reshape(x.shape)
