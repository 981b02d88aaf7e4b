"""Mean and covariance of data that come in batches."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from flowzoo.builtin.log_det import widest_dtype


@final
class Moments:
    """Accumulates the mean and the covariance of the rows of batches, in float64 where the device has it.

    Batches are merged by Chan's update, which subtracts no large sums from one another::

        scatter = scatter_a + scatter_b + (mean_b - mean_a)(mean_b - mean_a)^T n_a n_b / (n_a + n_b)

    References:
        Chan, Golub and LeVeque, Updating Formulae ... for Computing Sample Variances, 1979.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(())
        self.scatter = torch.zeros(())

    def update(self, rows: Tensor) -> None:
        """Add a batch of rows, ``(n, D)``."""
        rows = rows.to(widest_dtype(rows.device))
        count, mean = rows.shape[0], rows.mean(0)
        centred = rows - mean
        scatter = centred.T @ centred
        if self.count:
            step = mean - self.mean
            total = self.count + count
            scatter = self.scatter + scatter + torch.outer(step, step) * (self.count * count / total)
            mean = self.mean + step * (count / total)
        self.count, self.mean, self.scatter = self.count + count, mean, scatter

    @property
    def covariance(self) -> Tensor:
        """The maximum-likelihood covariance, ``(D, D)``."""
        return self.scatter / self.count
