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
        self._mean = torch.zeros(())
        self._scatter = torch.zeros(())
        self._waiting: list[Tensor] = []
        self._rows = 0

    def update(self, rows: Tensor) -> None:
        """Add a batch of rows, ``(n, D)``."""
        # A copy, since the caller may change its rows before they are merged.
        rows = rows.detach().to(widest_dtype(rows.device), copy=True)
        self.count += len(rows)
        self._waiting.append(rows)
        self._rows += len(rows)
        # A merge reads and writes D^2 numbers, which few rows of a large D are not worth.
        if self._rows >= rows.shape[1]:
            self._merge()

    @property
    def mean(self) -> Tensor:
        """The mean, ``(D,)``."""
        self._merge()
        return self._mean

    @property
    def covariance(self) -> Tensor:
        """The maximum-likelihood covariance, ``(D, D)``."""
        self._merge()
        return self._scatter / self.count

    def _merge(self) -> None:
        if not self._waiting:
            return
        rows = torch.cat(self._waiting)
        before, count, mean = self.count - len(rows), len(rows), rows.mean(0)
        centred = rows - mean
        scatter = centred.T @ centred
        if before:
            step = mean - self._mean
            scatter += self._scatter
            scatter += torch.outer(step, step) * (before * count / self.count)
            mean = self._mean + step * (count / self.count)
        self._mean, self._scatter = mean, scatter
        self._waiting, self._rows = [], 0
