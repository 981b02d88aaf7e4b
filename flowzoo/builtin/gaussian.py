"""A Gaussian with full covariance, as a whitening bijection."""

from __future__ import annotations

from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor

from flowzoo.bijector import ConditionalBijector
from flowzoo.builtin.first_pass import FirstPass
from flowzoo.builtin.log_det import log_det_dtype
from flowzoo.builtin.moments import Moments
from flowzoo.component import Builder
from flowzoo.errors import NumericalError, OptionError
from flowzoo.run import EVALUATION, Run
from flowzoo.shapes import Images, PerImage, Shape


@final
class Gaussian(ConditionalBijector):
    """Whitens images by their mean and full covariance ``Sigma = L L^T``, fitted in closed form.

    ``z = L^-1 (x - mean)``, ``log_det = -sum_i log L_ii``

    The fit is the maximum-likelihood one over all batches of the first pass; nothing trains. Memory is
    ``D^2``: meant for small images, as the floor that every model has to beat.

    Args:
        shape: ``(C, H, W)`` of the data, ``D`` values.
        ridge: Added to the diagonal, as a share of its mean, where the covariance is not positive definite.

    Raises:
        NotInitialisedError: On use before the first pass.

    >>> x = torch.randn(256, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    >>> z, _ = Gaussian((1, 2, 2))(x, None, Run(mode="initialise"))
    >>> torch.allclose(z.flatten(1).T @ z.flatten(1) / 256, torch.eye(4), atol=1e-5)
    True
    """

    mean: Tensor
    factor: Tensor

    def __init__(self, shape: Shape, ridge: float = 1e-8) -> None:
        super().__init__()
        channels, height, width = shape
        dimensions = channels * height * width
        self.ridge = ridge
        self.register_buffer("mean", torch.zeros(dimensions))
        self.register_buffer("factor", torch.eye(dimensions))
        self.first_pass = FirstPass("gaussian")
        self._moments: Moments | None = None

    def forward(
        self, x: Images, context: Images | None = None, run: Run = EVALUATION
    ) -> tuple[Images, PerImage]:
        self._take_in(x, run)
        self.first_pass.require()
        rows = (x.flatten(1) - self.mean).T
        z = torch.linalg.solve_triangular(self.factor, rows, upper=False).T
        log_det = -self.factor.diagonal().to(log_det_dtype(x)).log().sum()
        return z.reshape(x.shape), log_det.repeat(x.shape[0])

    def inverse(self, z: Images, context: Images | None = None, run: Run = EVALUATION) -> Images:
        self.first_pass.require()
        return (z.flatten(1) @ self.factor.T + self.mean).reshape(z.shape)

    @torch.no_grad()
    def _take_in(self, x: Images, run: Run) -> None:
        """Refit during the first pass; the first use outside it closes the fit, as loading does."""
        if run.mode != "initialise":
            self._moments = None
            return
        if self._moments is None:
            if self.first_pass.done:
                return
            self._moments = Moments()
        self._moments.update(x.flatten(1))
        self.mean.copy_(self._moments.mean)
        self.factor.copy_(_cholesky(self._moments.covariance, self.ridge))
        self.first_pass.finish()
        run.want_more()


def build_gaussian(
    shape: Shape,
    context_shape: Shape | None,
    builder: Builder,
    *,
    ridge: Annotated[
        float,
        Field(gt=0.0, lt=1.0, description="share of the mean variance added where the fit is singular"),
    ] = 1e-8,
) -> Gaussian:
    """Build :class:`Gaussian`.

    Raises:
        OptionError: It was given a context, which it cannot use.
    """
    if context_shape is not None:
        raise OptionError(
            "gaussian takes no context; use it where nothing is kept, or choose a conditional bijector"
        )
    return Gaussian(shape, ridge)


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
    raise NumericalError("gaussian: the data's covariance is not finite; check the data for NaNs")
