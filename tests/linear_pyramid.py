"""A pyramid model whose likelihood is known: every level is a linear Gaussian given the coarser one.

``x_0 ~ N(1/2, 0.2^2)`` and ``x_s = upscale(x_{s-1}) + T_s e_s`` with ``e_s ~ N(0, I)``, so that all images
together are one Gaussian, whose mass in a box is SciPy's to integrate.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

import flowzoo
from flowzoo.flow import Flow

Matrix = NDArray[np.float64]

MEAN = 0.5
COARSEST_SPREAD = 0.2
STEP_SPREAD = 0.12


class LinearPyramid:
    """The Gaussian over ``(x_S, ..., x_0)``, finest image first.

    Args:
        size: Height and width of the finest image, which has one channel.
        levels: How many images.

    Attributes:
        images: For each image the matrix that makes it, minus its mean, of standard normal noise.
        steps: For each image but the coarsest ``T_s``.
    """

    def __init__(self, size: int, levels: int) -> None:
        self.size, self.levels = size, levels
        random = np.random.default_rng(0)
        sizes = [size // 2**place for place in range(levels)]
        self.steps: list[Matrix] = []
        for each in sizes[:-1]:
            mixing = np.tril(random.standard_normal((each**2, each**2)), -1) / each
            self.steps.append(STEP_SPREAD * (np.eye(each**2) + 0.3 * mixing))
        self.images: list[Matrix] = [COARSEST_SPREAD * np.eye(sizes[-1] ** 2)]
        for each, step in zip(reversed(sizes[:-1]), reversed(self.steps), strict=True):
            finer = np.hstack([upscaling(each) @ self.images[0], step])
            wider = [np.pad(image, ((0, 0), (0, step.shape[1]))) for image in self.images]
            self.images = [finer, *wider]

    def model(self, bins: int, **transform: Any) -> Flow:
        """Return the model ``msflow-image`` that has this density, in float64.

        Args:
            bins: Integers that a value can take.
            transform: Options of ``pyramid``.
        """
        shape = (1, self.size, self.size)
        flow = flowzoo.create_model(
            "msflow-image",
            shape,
            levels=self.levels,
            bins=bins,
            transform=transform,
            bijector="gaussian",
            normalise="standardise",
            precondition=None,
        ).double()
        state = flow.state_dict()
        for name, value in state.items():
            if name.endswith("initialised"):
                value.fill_(True)
            elif name.endswith("inner.mean"):
                value.fill_(MEAN)
        for place, step in enumerate(self.steps):
            up = upscaling(self.size // 2**place)
            factor = np.block([[np.eye(up.shape[1]), np.zeros(up.T.shape)], [up, step]])
            state[f"levels.{place}.conditional.inner.factor"].copy_(torch.from_numpy(factor))
        coarsest = COARSEST_SPREAD * torch.eye(len(self.images[-1]), dtype=torch.float64)
        state[f"levels.{self.levels - 1}.conditional.inner.factor"].copy_(coarsest)
        return flow

    def sample(self, count: int, seed: int) -> Matrix:
        """Return finest images, ``(count, pixels)``."""
        noise = np.random.default_rng(seed).standard_normal((count, self.images[0].shape[1]))
        return MEAN + noise @ self.images[0].T

    def log_mass(self, integers: NDArray[np.int64], bins: int, width: float | None = None) -> float:
        """Return the log of the model's mass in the cell of an integer image.

        Args:
            integers: ``(pixels,)``.
            bins: Integers that a value can take.
            width: Count only pyramids in which every coarse image lies within half of it from the block means
                of the next finer image; None: all.
        """
        matrices, low, high = [self.images[0]], [integers / bins - MEAN], [(integers + 1) / bins - MEAN]
        if width is not None:
            for fine, coarse in zip(self.images, self.images[1:], strict=False):
                off = coarse - upscaling(math.isqrt(len(fine))).T @ fine / 4
                matrices.append(off)
                low.append(np.full(len(off), -width / 2))
                high.append(np.full(len(off), width / 2))
        matrix = np.vstack(matrices)
        mass = multivariate_normal.cdf(
            np.concatenate(high),
            cov=matrix @ matrix.T,
            lower_limit=np.concatenate(low),
            maxpts=100_000,
            abseps=0.0,
            releps=1e-4,
            rng=np.random.default_rng(0),
        )
        return math.log(mass)


def upscaling(size: int) -> Matrix:
    """Return the matrix that gives each pixel of a ``size x size`` image its coarse pixel."""
    double = np.kron(np.eye(size // 2), np.ones((2, 1)))
    return np.kron(double, double)
