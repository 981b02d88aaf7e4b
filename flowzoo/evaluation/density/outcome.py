"""The outcome of a density audit, and the errors that it tolerates."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

CLOSED_FORM = 1e-5
"""Largest difference between stated and judged density, bits/dim, for models without a solver.

Rounding in double precision is about 1e-10; the rest is room for ill-conditioned Jacobians.
"""

SOLVED = 1e-3
"""The same with a solver. If the error on its ordinary steps is larger, tight steps are tried."""

ORDINARY = 1e-2
"""The same if tight steps take too long: as much as the audit of the solver tolerates."""

DIFFERENCES = 1e-3
"""The same if the Jacobian comes from finite differences, whose own error is about 1e-5."""

SINGLE = 1e-2
"""Largest difference between single and double precision, and between an image alone and in its batch.

Models round 1e-5 or so; a figure that is quoted to two decimals is right within this. Of figures above 10,
which are those of models that have learnt nothing, a thousandth is tolerated.
"""

PIXEL = 1e-5
"""Largest difference between ``x`` and ``decode(encode(x))`` in double precision; pixels lie in [0, 1)."""

SOLVED_PIXEL = 5e-3
"""The same for models with a solver."""

LATENT = 1e-3
"""Largest difference between ``z`` and ``encode(decode(z))``, relative to ``1 + |z|``, without a solver."""

SOLVED_LATENT = 5e-2
"""The same for models with a solver; drawn latents lie further out than those of data."""

BIAS = 4.0
"""Largest distance of the mean of many estimates from the judged value, in standard errors."""


def single_allows(error: Tensor, bits: Tensor) -> bool:
    """Whether errors, in bits/dim, are no larger than what rounding in single precision can cause."""
    return bool((error.abs() <= SINGLE * (bits.abs() / 10.0).clamp(min=1.0)).all())


@dataclass(frozen=True)
class DensityAudit:
    """Whether a model's figure is that of a probability density, and how large its error is.

    Errors in bits/dim are stated minus judged ``log p``: positive if the figure is too good. None stands
    for what could not be measured, or did not need to be.

    Attributes:
        objections: Why the figure must not be ranked; none if the model has passed.
        budget: Time allowed for the Jacobian, seconds.
        seconds: Time that the audit took.
        method: How the Jacobian was judged: ``whole``; ``by level``; or, of a smaller model of the same
            recipe, ``rebuilt at CxHxW with trained (or perturbed) weights``; empty if it was not.
        images: Number of images that it was judged on.
        error: Error of the stated ``log p``, mean over the images, bits/dim.
        worst: Largest absolute error of an image, bits/dim.
        tolerance: Largest value allowed for ``worst``, bits/dim.
        derivatives: How derivatives were computed: ``forward mode``, ``reverse mode`` or ``finite
            differences``.
        derivative_error: Difference of the derivatives from finite differences in a random direction,
            relative.
        steps: Steps of the model's solvers in the audit: ``tight`` or ``ordinary``; empty without a solver.
        round_trip: Largest error of ``decode(encode(x))``, where pixels lie in [0, 1).
        latent_round_trip: Largest error of ``encode(decode(z))`` for drawn ``z``, relative to ``1 + |z|``.
        batch_error: Largest difference of an image's bits/dim alone from that in its batch.
        precision_error: Largest difference of bits/dim in single from that in double precision.
        bias: Bias of the estimated trace, bits/dim, mean over probes; positive if the figure is too good.
        bias_error: Standard error of the bias.
        remarks: Further remarks for the reader.
    """

    objections: tuple[str, ...]
    budget: float
    seconds: float
    method: str = ""
    images: int = 0
    error: float | None = None
    worst: float | None = None
    tolerance: float | None = None
    derivatives: str = ""
    derivative_error: float | None = None
    steps: str = ""
    round_trip: float | None = None
    latent_round_trip: float | None = None
    batch_error: float | None = None
    precision_error: float | None = None
    bias: float | None = None
    bias_error: float | None = None
    remarks: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the density audit allows the figure to be ranked."""
        return not self.objections
