"""Missing pixels drawn given the known ones, by Langevin dynamics with a Metropolis test."""

from __future__ import annotations

from typing import NamedTuple, SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor

from flowzoo.builtin.log_det import widest_dtype
from flowzoo.builtin.moments import Moments
from flowzoo.builtin.shrinkage import shrink
from flowzoo.call import Call, per_image_generators
from flowzoo.errors import DataError, NumericalError, OptionError, ShapeError
from flowzoo.exactness import Exactness
from flowzoo.flow import Flow
from flowzoo.flow_values import in_unit_interval
from flowzoo.integers import positive_integer
from flowzoo.latents.coding import Progress, no_progress
from flowzoo.seeds import check_seed
from flowzoo.shapes import Images, PerImage
from flowzoo.terms import sum_terms

MOST_MISSING = 4096
"""Missing values of an image, at most: their covariance is a dense matrix."""

PILOT_SAMPLES = 1000
"""Samples of the model whose covariance shapes the proposals."""

_ADAPTED = 0.5
_TARGET_ACCEPTANCE = 0.574
_FIRST_STEP = 0.3


class Inpainted(NamedTuple):
    """Images with missing pixels filled in.

    Attributes:
        images: ``(B, draws, C, H, W)``: the given images, with other values where they are missing.
        acceptance: Share of the proposals after adaptation that were accepted, ``(B, draws)``.
    """

    images: Float[Tensor, "batch draws _ _ _"]
    acceptance: Float[Tensor, "batch draws"]


def inpaint(
    flow: Flow,
    x: Images,
    missing: Tensor,
    steps: SupportsIndex = 500,
    seed: SupportsIndex | None = None,
    *,
    draws: SupportsIndex = 1,
    progress: Progress = no_progress,
) -> Inpainted:
    """Draw the missing pixels of images from the model's density given the known pixels.

    Each draw is one Markov chain over the missing values ``m``, whose stationary distribution is
    ``p(m | known)`` in the space behind the pixel transform. A step is a proposal of Langevin dynamics, which
    a Metropolis test accepts or not:

        m' = m + (e^2 / 2) S grad log p(m, known) + e S^(1/2) noise

    ``S`` is the covariance of the missing values given the known ones of a Gaussian with the moments of
    samples of the model; the chains start at draws of that Gaussian. In the first half of the steps each
    chain adapts ``e`` to accept 57 % of its proposals; then it is fixed.

    So the method is exact in the limit of many steps, and an approximation after few: a chain that has begun
    in one mode of the density may stay there. With a Gaussian model the start is the answer already.

    Args:
        flow: The model. Its ``log p(x)`` must be exact.
        x: ``(B, C, H, W)`` in ``[0, 1)``; missing values are not read.
        missing: ``(H, W)`` or ``(C, H, W)``, true where a value is missing.
        steps: Steps of each chain, with those of adaptation.
        seed: Makes the draw repeatable; the global random state is not touched either way.
        draws: Chains for each image.
        progress: Called with the number of steps that are done, after each.

    Raises:
        OptionError: The model's ``log p(x)`` is an estimate or a bound, nothing is missing or known, more
            than :data:`MOST_MISSING` values are missing, or steps, seed or draws are out of range.
        ShapeError: ``x`` or ``missing`` does not have the model's shape.
        DataError: There is no image, or a known value is not in ``[0, 1)``.
        NumericalError: No start has a finite density.

    References:
        Roberts and Tweedie, "Exponential convergence of Langevin distributions and their discrete
        approximations", 1996; Roberts and Rosenthal, "Optimal scaling of discrete approximations to Langevin
        diffusions", 1998, for the share of accepted proposals.
    """
    length = positive_integer("steps, how many steps each chain makes,", steps)
    chains = positive_integer("draws, how many chains each image gets,", draws)
    base = torch.Generator().seed() if seed is None else check_seed(seed)
    hidden = _checked_mask(flow, missing)
    if flow.exactness is not Exactness.EXACT:
        raise OptionError(
            f"inpainting needs an exact log p(x), and that of this model is "
            f"{'an estimate' if flow.exactness is Exactness.UNBIASED else 'not exact'}. "
            "Use a model of couplings, such as glow, pnf or wavelet-flow"
        )
    if tuple(x.shape[1:]) != flow.image_shape:
        raise ShapeError(
            f"expected images of shape (B, {', '.join(map(str, flow.image_shape))}), got {tuple(x.shape)}"
        )
    if not len(x):
        raise DataError("there are no images. Give at least one")
    known = torch.where(hidden, 0.5, x.to(flow.device))
    y = flow.pixels(in_unit_interval(known))[0].to(widest_dtype(flow.device))
    y = y.repeat_interleave(chains, dim=0)
    generators = per_image_generators(base, range(len(y)))
    start, factor = _gaussian(flow, y, hidden, base)
    chain = _Chains(flow, y, hidden, factor, generators)
    accepted = chain.run(start, length, progress)
    filled = flow.pixels.inverse(chain.images())
    images = torch.where(hidden, filled, x.to(filled).repeat_interleave(chains, dim=0))
    shape = (len(x), chains)
    return Inpainted(images.reshape(*shape, *flow.image_shape), accepted.reshape(shape))


class _Chains:
    def __init__(
        self,
        flow: Flow,
        y: Images,
        hidden: Tensor,
        factor: Tensor,
        generators: tuple[torch.Generator, ...],
    ) -> None:
        self._flow, self._y, self._hidden = flow, y, hidden
        self._factor = factor
        self._call = Call(generator=generators)
        self._values = y[:, hidden]

    def images(self) -> Images:
        return self._place(self._values)

    def run(self, start: Tensor, steps: int, progress: Progress) -> PerImage:
        """Move the chains, and return the share of proposals that each accepted after adaptation."""
        self._values = start
        density, gradient = self._density(start)
        if not bool(density.isfinite().all()):
            raise NumericalError("the model has no finite density where a chain starts. Train it for longer")
        size = torch.full_like(density, _FIRST_STEP)
        accepted = torch.zeros_like(density)
        adapting = int(_ADAPTED * steps)
        for step in range(steps):
            e = size[:, None]
            mean = self._values + 0.5 * e**2 * (gradient @ self._factor) @ self._factor.T
            noise = self._call.normal(self._values)
            proposal = mean + e * noise @ self._factor.T
            new_density, new_gradient = self._density(proposal)
            back = proposal + 0.5 * e**2 * (new_gradient @ self._factor) @ self._factor.T
            reverse = torch.linalg.solve_triangular(self._factor, (self._values - back).T, upper=False).T / e
            ratio = new_density - density + 0.5 * (noise.square().sum(1) - reverse.square().sum(1))
            probability = ratio.nan_to_num(-torch.inf).clamp(max=0.0).exp()
            taken = self._call.uniform(ratio) < probability
            self._values = torch.where(taken[:, None], proposal, self._values)
            density = torch.where(taken, new_density, density)
            gradient = torch.where(taken[:, None], new_gradient, gradient)
            if step < adapting:
                # Robbins and Monro: ever smaller corrections of log e.
                size = size * torch.exp((probability - _TARGET_ACCEPTANCE) * 3.0 / (10.0 + step) ** 0.6)
            else:
                accepted += taken
            progress(1)
        self.size = size
        return accepted / max(1, steps - adapting)

    def _place(self, values: Tensor) -> Images:
        y = self._y.clone()
        y[:, self._hidden] = values
        return y

    def _density(self, values: Tensor) -> tuple[PerImage, Tensor]:
        """Return ``log p`` of the images, up to a constant, and its gradient in the missing values."""
        with torch.enable_grad():
            given = values.detach().requires_grad_()
            y: Images | None = self._place(given)
            total = given.new_zeros(len(given))
            for level in self._flow.levels:
                assert y is not None, "only the last level keeps nothing"
                y, _, terms = level(y)
                total = total + sum_terms(terms)
            (gradient,) = torch.autograd.grad(total.sum(), given)
        return total.detach(), gradient


@torch.no_grad()
def _gaussian(flow: Flow, y: Images, hidden: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Return draws of missing values given the known ones, and a factor of their covariance.

    They are those of a Gaussian with the moments of the model's samples.
    """
    moments = Moments()
    for images in flow.sample_batches(PILOT_SAMPLES, 1.0, seed, 250):
        moments.update(flow.pixels(images)[0].flatten(1).to(y))
    covariance = shrink(moments).covariance
    mask = hidden.flatten()
    gain = torch.linalg.solve(covariance[~mask][:, ~mask], covariance[~mask][:, mask])
    conditional = covariance[mask][:, mask] - covariance[mask][:, ~mask] @ gain
    factor = torch.linalg.cholesky((conditional + conditional.T) / 2)
    off = y.flatten(1) - moments.mean
    mean = moments.mean[mask] + off[:, ~mask] @ gain
    noise = Call(generator=per_image_generators(seed + 1, range(len(y)))).normal(mean)
    return mean + noise @ factor.T, factor


def _checked_mask(flow: Flow, missing: Tensor) -> Tensor:
    if missing.dtype != torch.bool or tuple(missing.shape) not in (flow.image_shape, flow.image_shape[1:]):
        raise ShapeError(
            f"missing is a {missing.dtype} of shape {tuple(missing.shape)}; give booleans of shape "
            f"{flow.image_shape[1:]} or {flow.image_shape}"
        )
    hidden = missing.to(flow.device).expand(flow.image_shape)
    count = int(hidden.sum())
    if count in (0, flow.dimensions):
        raise OptionError(
            f"{'no' if not count else 'every'} value is missing, so there is nothing to "
            f"{'draw' if not count else 'go by'}. Choose another region"
        )
    if count > MOST_MISSING:
        raise OptionError(f"{count:,} values are missing, and at most {MOST_MISSING:,} can be. Choose fewer")
    return hidden
