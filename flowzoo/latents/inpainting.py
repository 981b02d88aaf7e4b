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
from flowzoo.flow_values import Labels, in_unit_interval, labels_at, labels_of
from flowzoo.integers import positive_integer
from flowzoo.latents.coding import Progress, no_progress
from flowzoo.seeds import check_seed
from flowzoo.shapes import Images, PerImage
from flowzoo.terms import sum_terms

MOST_MISSING = 4096
"""Missing values of an image, at most: their covariance is a dense matrix."""

PILOT_SAMPLES = 1000
"""Samples of the model whose covariance shapes the proposals."""

ADAPTED = 0.5
"""Share of the steps in which chains adapt the size of their steps."""

TARGET_ACCEPTANCE = 0.574
"""Share of accepted proposals at which Langevin proposals are most efficient in many dimensions."""

_FIRST_SIZE = 0.3
_CHAINS_FROM = 1 << 40
"""Number of the first chain among the seed's streams, far from those of the samples."""


class Inpainted(NamedTuple):
    """Images with missing pixels filled in.

    Attributes:
        images: ``(B, draws, C, H, W)``: the given images, with other values where they are missing.
        acceptance: Share of each chain's proposals that were accepted after adaptation, ``(B, draws)``.
    """

    images: Float[Tensor, "batch draws _ _ _"]
    acceptance: Float[Tensor, "batch draws"]


@torch.no_grad()
def inpaint(
    flow: Flow,
    x: Images,
    missing: Tensor,
    steps: SupportsIndex = 200,
    seed: SupportsIndex | None = None,
    *,
    draws: SupportsIndex = 1,
    labels: Labels | None = None,
    batch_size: SupportsIndex | None = None,
    progress: Progress = no_progress,
) -> Inpainted:
    """Draw the missing pixels of images from the model's density given the known pixels.

    Each draw is the end of a Markov chain over the missing values ``m``, whose stationary distribution is
    ``p(m | known)`` in the space behind the pixel transform. A proposal of Langevin dynamics is accepted or
    not by a Metropolis test:

        m' = m + (e^2 / 2) S grad log p(m, known) + e S^(1/2) noise

    ``S`` is the covariance of the missing values given the known ones, of a Gaussian with the moments of
    samples of the model, and the chains start at draws of that Gaussian. In the first half of its steps a
    chain adapts ``e`` so that 57 % of its proposals are accepted; then ``e`` is fixed.

    So the method is exact in the limit of many steps and an approximation after few: a chain that begins near
    one mode of the density may not find another.

    With labels all of this holds for ``p(x | label)``. Where they differ from image to image, ``S`` is that
    of samples of all given classes together.

    Args:
        flow: The model. Its ``log p(x)`` must be exact.
        x: ``(B, C, H, W)`` in ``[0, 1)``; missing values are not read.
        missing: ``(H, W)`` or ``(C, H, W)``, true where a value is missing.
        steps: Steps of each chain, including those in which it adapts.
        seed: Makes the draw repeatable; the global random state is not touched either way.
        draws: Chains for each image.
        labels: For a model with classes: the class of each image, ``(B,)``, or one for all; -1 for no label.
        batch_size: Chains at once; by default all of them.
        progress: Called with the number of chains that moved by a step, after each step.

    Raises:
        OptionError: The model's ``log p(x)`` is not exact, nothing is missing or nothing is known, more than
            :data:`MOST_MISSING` values are missing, there is no such class or not one label for each image,
            or a number is out of range.
        ShapeError: ``x`` or ``missing`` does not have the model's shape.
        DataError: There is no image, or a known value is not in ``[0, 1)``.
        NumericalError: A chain starts where the density is not finite.

    References:
        Roberts and Tweedie, "Exponential convergence of Langevin distributions and their discrete
        approximations", 1996. The share of accepted proposals: Roberts and Rosenthal, "Optimal scaling of
        discrete approximations to Langevin diffusions", 1998.
    """
    length = positive_integer("steps, how many steps a chain makes,", steps)
    repeats = positive_integer("draws, how many chains an image gets,", draws)
    count = len(x) * repeats
    at_once = count if batch_size is None else positive_integer("batch_size", batch_size)
    base = torch.Generator().seed() if seed is None else check_seed(seed)
    require_exact(flow)
    hidden = _checked_mask(flow, missing)
    if tuple(x.shape[1:]) != flow.image_shape:
        raise ShapeError(
            f"expected images of shape (B, {', '.join(map(str, flow.image_shape))}), got {tuple(x.shape)}"
        )
    if not len(x):
        raise DataError("there are no images. Give at least one")
    own = labels_at(labels_of(labels, len(x), flow.classes), (chain // repeats for chain in range(count)))
    given = x.to(flow.device, widest_dtype(flow.device)).repeat_interleave(repeats, dim=0)
    known = flow.pixels(in_unit_interval(torch.where(hidden, 0.5, given)))[0]
    mean, factor = _gaussian_given(flow, known, hidden, base, own)
    images, accepted = [], []
    for places in torch.arange(count).split(at_once):
        streams = per_image_generators(base, (places + _CHAINS_FROM).tolist())
        call = Call(generator=streams, labels=labels_at(own, places.tolist()))
        chains = _Chains(flow, known[places], hidden, mean[places], factor, call)
        accepted.append(chains.run(length, progress))
        images.append(torch.where(hidden, flow.pixels.inverse(chains.images()), given[places]))
    return Inpainted(
        torch.cat(images).reshape(len(x), repeats, *flow.image_shape),
        torch.cat(accepted).reshape(len(x), repeats),
    )


def require_exact(flow: Flow) -> None:
    """Refuse a model that cannot be inpainted, since its ``log p(x)`` is an estimate or a bound.

    Raises:
        OptionError: It is.
    """
    if flow.exactness is not Exactness.EXACT:
        what = {
            Exactness.UNBIASED: "an estimate, as in all continuous flows",
            Exactness.BOUND: "a bound, since it draws its coarse images",
        }.get(flow.exactness, "of unknown exactness")
        raise OptionError(
            f"inpainting needs an exact log p(x), and that of this model is {what}. Use a model of "
            "couplings, such as glow, pnf or wavelet-flow"
        )


class _Chains:
    """Markov chains over the missing values of images, one for each.

    Args:
        flow: The model.
        known: ``(B, C, H, W)`` behind the pixel transform; missing values are not read.
        hidden: ``(C, H, W)``, true where a value is missing.
        mean: ``(B, m)``, the centre of each chain's start.
        factor: ``(m, m)``, lower triangular; its product with its transpose is ``S``.
        call: Draws the noise, and holds the labels.
    """

    def __init__(
        self, flow: Flow, known: Images, hidden: Tensor, mean: Tensor, factor: Tensor, call: Call
    ) -> None:
        self._flow, self._known, self._hidden = flow, known, hidden
        self._factor, self._call = factor, call
        self._values = mean + call.normal(mean) @ factor.T

    def images(self) -> Images:
        """Return the images where the chains are, behind the pixel transform."""
        return self._with(self._values)

    def run(self, steps: int, progress: Progress) -> PerImage:
        """Move the chains, and return each one's share of accepted proposals after adaptation, ``(B,)``."""
        density, gradient = self._density(self._values)
        if not bool(density.isfinite().all()):
            raise NumericalError(
                "the model's density is not finite where a chain starts. Train it for longer"
            )
        size = torch.full_like(density, _FIRST_SIZE)
        accepted = torch.zeros_like(density)
        adapting = int(ADAPTED * steps)
        for step in range(steps):
            noise = self._call.normal(self._values)
            proposal = self._drifted(self._values, gradient, size) + size[:, None] * noise @ self._factor.T
            new_density, new_gradient = self._density(proposal)
            # The noise that would lead back.
            back = self._values - self._drifted(proposal, new_gradient, size)
            whitened = torch.linalg.solve_triangular(self._factor, back.T, upper=False).T / size[:, None]
            log_ratio = new_density - density + 0.5 * (noise.square() - whitened.square()).sum(1)
            probability = log_ratio.nan_to_num(-torch.inf, 0.0, -torch.inf).clamp(max=0.0).exp()
            taken = self._call.uniform(probability) < probability
            self._values = torch.where(taken[:, None], proposal, self._values)
            density = torch.where(taken, new_density, density)
            gradient = torch.where(taken[:, None], new_gradient, gradient)
            if step < adapting:
                # Robbins and Monro: the corrections become smaller and smaller.
                size = size * torch.exp(3.0 * (probability - TARGET_ACCEPTANCE) / (10.0 + step) ** 0.6)
            else:
                accepted += taken
            progress(len(taken))
        return accepted / (steps - adapting)

    def _drifted(self, values: Tensor, gradient: Tensor, size: Tensor) -> Tensor:
        return values + 0.5 * size[:, None] ** 2 * (gradient @ self._factor) @ self._factor.T

    def _with(self, values: Tensor) -> Images:
        y = self._known.clone()
        y[:, self._hidden] = values
        return y

    def _density(self, values: Tensor) -> tuple[PerImage, Tensor]:
        """Return ``log p`` of the images behind the pixel transform, and its gradient in missing values."""
        with torch.enable_grad():
            leaf = values.detach().requires_grad_()
            y: Images | None = self._with(leaf)
            total = torch.zeros_like(leaf[:, 0])
            for level in self._flow.levels:
                assert y is not None, "only the last level keeps nothing"
                y, _, terms = level(y, Call(labels=self._call.labels))
                total = total + sum_terms(terms)
            (gradient,) = torch.autograd.grad(total.sum(), leaf)
        return total.detach(), gradient


def _gaussian_given(
    flow: Flow, known: Images, hidden: Tensor, seed: int, labels: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return mean, ``(B, m)``, and Cholesky factor, ``(m, m)``, of missing values given the known ones.

    They are those of a Gaussian with the moments of samples of the model.
    """
    moments = Moments()
    of_samples = labels_at(labels, (place % len(known) for place in range(PILOT_SAMPLES)))
    for images in flow.sample_batches(PILOT_SAMPLES, 1.0, seed, _PILOT_BATCH, of_samples):
        moments.update(flow.pixels(images)[0].flatten(1).to(known))
    covariance = shrink(moments).covariance
    mask = hidden.flatten()
    gain = torch.linalg.solve(covariance[~mask][:, ~mask], covariance[~mask][:, mask])
    conditional = covariance[mask][:, mask] - covariance[mask][:, ~mask] @ gain
    mean = moments.mean[mask] + (known.flatten(1) - moments.mean)[:, ~mask] @ gain
    return mean, torch.linalg.cholesky((conditional + conditional.T) / 2)


_PILOT_BATCH = 100


def _checked_mask(flow: Flow, missing: Tensor) -> Tensor:
    """Return ``missing`` as ``(C, H, W)`` on the model's device."""
    if missing.dtype != torch.bool or tuple(missing.shape) not in (flow.image_shape, flow.image_shape[1:]):
        raise ShapeError(
            f"missing is a tensor of {missing.dtype} and of shape {tuple(missing.shape)}. Give booleans of "
            f"shape {flow.image_shape[1:]} or {flow.image_shape}"
        )
    hidden = missing.to(flow.device).expand(flow.image_shape)
    count = int(hidden.sum())
    if not count:
        raise OptionError("no value is missing, so there is nothing to draw. Choose another region")
    if count == flow.dimensions:
        raise OptionError("every value is missing. Draw images with flowzoo sample, or choose another region")
    if count > MOST_MISSING:
        raise OptionError(f"{count:,} values are missing, and at most {MOST_MISSING:,} can be. Choose fewer")
    return hidden
