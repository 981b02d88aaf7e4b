"""The outcome of a density audit, and what is tolerated."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

CLOSED_FORM = 1e-5
"""Bits/dim between a stated and a judged density, for models without a solver.

Double precision rounds far less, 1e-10 or so; what is left is room for ill-conditioned Jacobians.
"""

SOLVED = 1e-3
"""The same with a solver. What is off by more on its ordinary steps is judged again in a tight run."""

ORDINARY = 1e-2
"""The same where a tight run takes too long: as much as the audit of the solver tolerates."""

DIFFERENCES = 1e-3
"""The same where the Jacobian comes from finite differences, whose own error is some 1e-5."""

SINGLE = 1e-2
"""Bits/dim between figures in single and in double precision, and between an image alone and in its batch.

Models round 1e-5 or so; a figure that is quoted to two decimals is right within this. Of figures above 10,
which are those of models that have learnt nothing, a thousandth is tolerated.
"""

PIXEL = 1e-5
"""Between an image and ``decode(encode(x))``, in units of the whole range of pixels, in double precision."""

SOLVED_PIXEL = 5e-3
"""The same where a solver's error goes into it."""

LATENT = 1e-3
"""Between drawn latents and ``encode(decode(z))``, relative to one plus their size, without a solver."""

SOLVED_LATENT = 5e-2
"""The same where a solver's error goes into it; drawn latents lie further out than those of data."""

BIAS = 4.0
"""Standard errors that the mean of many estimated log-likelihoods may be away from the judged one."""


def single_allows(error: Tensor, bits: Tensor) -> bool:
    """Whether errors, in bits/dim, are within what single precision may do to figures of that size."""
    return bool((error.abs() <= SINGLE * (bits.abs() / 10.0).clamp(min=1.0)).all())


@dataclass(frozen=True)
class DensityAudit:
    """Whether a model's figure is one of a density, and how far off it was.

    Errors in bits/dim are stated minus judged ``log p``: positive where the figure is too good. None stands
    for what could not be, or need not be, measured.

    Attributes:
        objections: Why the figure must not be ranked; none if the model has passed.
        budget: Seconds that the Jacobian was allowed to take.
        seconds: That the audit took.
        method: How the Jacobian was judged: ``whole``; ``by level``; or, of a smaller model of the same
            recipe, ``rebuilt at CxHxW with trained (or perturbed) weights``; empty if it was not.
        images: How many it was judged on.
        error: Of the stated ``log p``, mean over the images, bits/dim.
        worst: Its largest absolute value.
        tolerance: What ``worst`` is held to, bits/dim.
        derivatives: ``forward mode``, ``reverse mode`` or ``finite differences``.
        derivative_error: Of these, relative to finite differences, in a random direction.
        steps: Of the model's solvers in the audit: ``tight`` or ``ordinary``; empty for models without.
        round_trip: Largest error of ``decode(encode(x))``, where pixels lie in [0, 1).
        latent_round_trip: Largest error of ``encode(decode(z))`` for drawn ``z``, relative to ``1 + |z|``.
        batch_error: Largest difference of an image's bits/dim alone from that in its batch.
        precision_error: Largest difference of bits/dim in single from that in double precision.
        bias: Of the estimated trace, bits/dim, mean over probes; positive where the figure is too good.
        bias_error: Standard error of that.
        remarks: What else to know.
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
        """Whether the figure may be ranked, as far as the density goes."""
        return not self.objections
