"""A Gaussian with full covariance, as a whitening bijection."""

from __future__ import annotations

import math
from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.first_pass import FirstPass
from flowzoo.builtin.linear_contributions import linear_contributions
from flowzoo.builtin.log_det import log_det_dtype
from flowzoo.builtin.moments import Moments
from flowzoo.builtin.open_fits import Fitted, open_moments, refit
from flowzoo.builtin.shrinkage import shrink
from flowzoo.call import EVALUATION, Call
from flowzoo.component import Builder
from flowzoo.errors import NumericalError, ShapeError
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.traits import BijectorTraits

LARGEST = 16_384
"""Largest number of values, of context and image together: a fit holds several matrices of its square."""


@final
class Gaussian(ConditionalBijector, Fitted):
    """Whitens images by their mean and full covariance, fitted in closed form, given a context or not.

    ``z = L^-1 (x - mean)``, ``log_det = -sum_i log L_ii``, with ``Sigma = L L^T``

    With a context, ``Sigma`` is the covariance of context and image together, the context first: the lower
    part of ``L^-1 ((c, x) - mean)`` whitens ``x`` given ``c``, whose mean is then linear in ``c``.

    The fit is over all batches of the first pass, of what reaches it while it is fitted; nothing trains. The
    mean is that of the data. The covariance is shrunk (:func:`~flowzoo.builtin.shrinkage.shrink`),
    so that fewer images than dimensions give a density too; with many more images it is the data's own.
    Memory is ``D^2``: meant for small images, as the floor that every model has to beat.

    Args:
        shape: ``(C, H, W)`` of the data, ``D`` values.
        context_shape: Shape of the context, which must come in this size; None without one.
        ridge: Added to the diagonal, as a share of its mean, where rounding leaves the shrunk covariance not
            positive definite.

    Raises:
        NotInitialisedError: On use before the first pass.
        ShapeError: A context has another number of values, or there are more than :data:`LARGEST`.

    >>> x = torch.randn(256, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    >>> z, _ = Gaussian((1, 2, 2))(x, None, Call(mode="initialise"))
    >>> torch.allclose(z.flatten(1).T @ z.flatten(1) / 256, torch.eye(4), atol=0.2)
    True
    """

    traits = BijectorTraits(has_contributions=True)
    mean: Tensor
    factor: Tensor

    def __init__(self, shape: Shape, context_shape: Shape | None = None, ridge: float = 1e-8) -> None:
        super().__init__()
        self.given = math.prod(context_shape) if context_shape else 0
        values = self.given + math.prod(shape)
        if values > LARGEST:
            raise ShapeError(
                f"gaussian has a covariance of all values: of {values:,} it takes {8e-9 * values**2:.0f} GB. "
                f"Use it with at most {LARGEST:,} values; images of 3x64x64 have 12,288"
            )
        self.ridge = ridge
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("factor", torch.eye(values))
        self.first_pass = FirstPass("gaussian")

    def forward(
        self, x: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, PerImage]:
        rows = self._rows(x, context)
        self._take_in(rows, call)
        self.first_pass.require()
        mean, factor = self.mean.to(rows.dtype), self.factor.to(rows.dtype)
        z = torch.linalg.solve_triangular(factor, (rows - mean).T, upper=False).T
        log_det = -self._own_factor.diagonal().to(rows.dtype).log().sum()
        return z[:, self.given :].reshape(x.shape).to(x.dtype), log_det.repeat(x.shape[0])

    def forward_with_contributions(
        self, x: Images, contributions: Images, context: Images | None = None, call: Call = EVALUATION
    ) -> tuple[Images, Images]:
        z, _ = self(x, context, call)
        own, carry = linear_contributions(torch.linalg.inv(self._own_factor.to(log_det_dtype(x))))
        mixed = contributions.flatten(1).to(own.dtype) @ carry.T + own
        return z, mixed.reshape(contributions.shape).to(contributions.dtype)

    def inverse(self, z: Images, context: Images | None = None, call: Call = EVALUATION) -> Images:
        self.end_first_pass()
        self.first_pass.require()
        centred = z.flatten(1).to(log_det_dtype(z))
        mean, factor = self.mean.to(centred.dtype), self.factor.to(centred.dtype)
        if self.given:
            known = self._rows(z, context)[:, : self.given] - mean[: self.given]
            above = factor[: self.given, : self.given]
            white = torch.linalg.solve_triangular(above, known.T, upper=False).T
            centred = torch.cat([white, centred], dim=1)
        x = centred @ factor[self.given :].T + mean[self.given :]
        return x.reshape(z.shape).to(z.dtype)

    @property
    def _own_factor(self) -> Tensor:
        return self.factor[self.given :, self.given :]

    def _rows(self, x: Images, context: Images | None) -> Tensor:
        """Return context and image side by side, ``(B, given + D)``, in no less than single precision."""
        rows = x.flatten(1).to(log_det_dtype(x))
        if context is not None:
            rows = torch.cat([context.flatten(1).to(rows.dtype), rows], dim=1)
        if rows.shape[1] != len(self.mean):
            raise ShapeError(
                f"gaussian was built for {len(self.mean)} values of context and image together, "
                f"got {rows.shape[1]}"
            )
        return rows

    @torch.no_grad()
    def _take_in(self, rows: Tensor, call: Call) -> None:
        """Add a batch of the first pass to the fit."""
        moments = open_moments(self, call)
        if moments is not None:
            moments.update(rows)
            refit(self)
            call.want_more()

    def fit(self, moments: Moments) -> None:
        """See :meth:`flowzoo.builtin.open_fits.Fitted.fit`."""
        self.mean.copy_(moments.mean)
        self.factor.copy_(_cholesky(shrink(moments, self.given).covariance, self.ridge))


def build_gaussian(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    ridge: Annotated[
        float,
        Field(
            gt=0.0,
            lt=1.0,
            description=(
                "Part of the mean variance that is added where rounding makes the covariance singular."
            ),
        ),
    ] = 1e-8,
) -> Gaussian:
    """Build :class:`Gaussian`."""
    return Gaussian(shape, context_shape, ridge)


def _cholesky(covariance: Tensor, ridge: float) -> Tensor:
    """Return the lower Cholesky factor, with the smallest ridge, growing tenfold, that allows one."""
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(covariance)
    diagonal = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    diagonal *= covariance.diagonal().mean().clamp(min=torch.finfo(covariance.dtype).tiny)
    for power in range(10):
        if not failed:
            return factor
        factor, failed = torch.linalg.cholesky_ex(covariance + ridge * 10.0**power * diagonal)
    raise NumericalError("gaussian: the data's covariance is not finite. Check the data for NaN values")
