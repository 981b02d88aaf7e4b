"""Checks of dequantisations: the noise that makes integer images continuous."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import final

import torch
from torch import Tensor

from flowzoo.call import Call, Ledger, Mode
from flowzoo.dequantisation import Dequantisation, add_noise, quantise
from flowzoo.errors import OptionError, ShapeError
from flowzoo.evaluation.density.entrance import noise_part
from flowzoo.evaluation.density.jacobian import choose_derivative, log_abs_det
from flowzoo.flow import Flow
from flowzoo.registry.models import create_model
from flowzoo.shapes import Images, IntegerImages
from flowzoo.testing.draws import BATCH, Draws, draw_images, draw_noise
from flowzoo.testing.exhaustive import ERRORS, SIZES, SLACK, Totals
from flowzoo.testing.result import require, require_close
from flowzoo.testing.subject import FIRST_BATCH, Subject
from flowzoo.testing.trial import Trial

BINS = 17

_ALL_BINS = (BINS, 256)
"""Numbers of bins for which ``log q`` is checked, since it may depend on them."""

_DRAWS = 16384
_INSIDE = 1.0 / 16.0
"""Fraction of the draws that lie in the box over which the density is integrated."""

_STANDARD_ERRORS = 6.0
_WIDEST = 0.25
"""Largest relative error of the integral."""

_MODES: tuple[Mode, ...] = ("evaluate", "train")


@final
class Noise(Subject):
    """A dequantisation on trial, on integers of :data:`BINS` values."""

    module: Dequantisation

    def images(self, seed: int = 0) -> IntegerImages:
        return _integers(super().images(seed))

    def first_pass(self, seed: int = 0) -> None:
        x = self.hand_over(_integers(draw_images(self.check.shape, FIRST_BATCH, seed + 100)))
        with torch.no_grad():
            self.module(x, BINS, Call(mode="initialise", ledger=Ledger()))

    def outputs(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        u, log_q = self.module(x, BINS, draws.call())
        return {"the noise": u, "log q": log_q}

    def objectives(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        u, log_q = self.module(x, BINS, draws.call())
        return {"a function of the noise": (u * draw_noise(u)).sum() + log_q.sum()}


@torch.no_grad()
def stays_in_the_bin(kind: type[Noise], trial: Trial) -> None:
    """The noise has the image's shape and stays in its bin, also far out; ``log q`` is finite."""
    subject = kind.ready(trial)
    x = subject.images()
    title = subject.module.title
    require(isinstance(title, str) and bool(title.strip()), f"its title is {title!r}, expected some words")
    calls = [Draws(mode=mode).call() for mode in _MODES] + [_Far(place=place) for place in (0.0, 1.0)]
    for call in calls:
        u, log_q = subject.module(x, BINS, call)
        require(u.shape == x.shape, f"the noise has shape {tuple(u.shape)}, expected {tuple(x.shape)}")
        require(tuple(log_q.shape) == (BATCH,), f"log q has shape {tuple(log_q.shape)}, expected {(BATCH,)}")
        require(bool(log_q.isfinite().all()), "log q is not finite")
        low, high = float(u.min()), float(u.max())
        require(low >= 0.0 and high <= 1.0, f"the noise has values in [{low:g}, {high:g}], expected [0, 1]")
        require(torch.equal(quantise(add_noise(x, u, BINS), BINS), x), "the noise leaves the bin")


def has_its_log_q(kind: type[Noise], trial: Trial) -> None:
    """``log q`` is the log-density of what was drawn minus ``log |det|`` of the brute-force Jacobian."""
    subject = kind.ready(trial)
    x = subject.images()
    for mode, bins in itertools.product(_MODES, _ALL_BINS):
        draws = Draws(mode=mode)
        with torch.no_grad():
            _, stated = subject.module(x, bins, draws.call())
            part = noise_part(subject.module, x, bins, draws.call(), stated)
        drawn, values = part.start.shape[1], x[0].numel()
        require(drawn == values, f"it draws {drawn} numbers for {values} values, expected one for each")
        way = choose_derivative(part).way
        jacobian = [log_abs_det(part, image, way) for image in range(BATCH)]
        expected = part.noise - stated.new_tensor(jacobian)
        what = f"log q with {bins} bins against the brute-force Jacobian"
        require_close(stated, expected, trial.check.tolerance, what)


@torch.no_grad()
def integrates_to_one(kind: type[Noise], trial: Trial) -> None:
    """``q`` is the density of the draws: the mean of its inverse over a box is the box's size.

    That is ``E[1_box(u) / q(u)] = |box|``, for a box around the middle of the draws. Two draws that give the
    same noise are found here only: their Jacobian is right, and their densities should be added up.
    """
    subject = kind.ready(trial)
    x = subject.images()[:1].repeat(_DRAWS, 1, 1, 1)
    u, log_q = subject.module(x, BINS, Call(generator=torch.Generator().manual_seed(trial.mixed(0))))
    values = u.flatten(1)
    middle = _INSIDE ** (1.0 / values.shape[1])
    ends = torch.tensor([0.5 - 0.5 * middle, 0.5 + 0.5 * middle], dtype=values.dtype)
    low, high = torch.quantile(values, ends, dim=0)
    inside = ((values > low) & (values < high)).all(1)
    weights = torch.where(inside, (-log_q).exp(), 0.0) / (high - low).prod()
    allowed = min(_STANDARD_ERRORS * float(weights.std()) / math.sqrt(_DRAWS), _WIDEST)
    require(
        bool((weights.mean() - 1.0).abs() <= allowed),
        f"log q is not the log-density of the noise: E[1/q] over a box is {weights.mean():.3g} of its size, "
        f"expected 1 within {allowed:.2g}",
    )


@torch.no_grad()
def bounds_probabilities(kind: type[Noise], trial: Trial) -> None:
    """With this noise, the bounds on the probabilities of all integer images of a model sum to at most 1."""
    for shape, bins in SIZES.items():
        try:
            subject = kind.ready(trial.with_check(shape=shape))
        except (OptionError, ShapeError):
            continue
        parts = create_model("gaussian", shape, bins=bins, seed=0).double()
        flow = Flow(shape, list(parts.levels), parts.pixels, bins, subject.module)
        flow.initialise([draw_images(shape, FIRST_BATCH, trial.mixed(100))])
        totals = Totals(flow)
        mass, mass_error = totals.mass
        for draws, (bound, error) in totals.bounds.items():
            require(
                bound <= mass + ERRORS * (error + mass_error) + SLACK * mass,
                f"with {draws} draw(s) the bounds on the probabilities of all integer images of a Gaussian "
                f"add up to {bound:.4f}, which is more than its probability of [0, 1), {mass:.4f}",
            )
        return


@final
@dataclasses.dataclass(frozen=True)
class _Far(Call):
    """A call whose draws are all as far out as they come in single precision."""

    place: float = 0.0

    def normal(self, like: Tensor) -> Tensor:
        return torch.full_like(like, 12.0 * self.place - 6.0)

    def uniform(self, like: Tensor) -> Tensor:
        return torch.full_like(like, self.place * (1.0 - torch.finfo(torch.float32).eps / 2))


def _integers(x: Images) -> IntegerImages:
    images = quantise(x, BINS)
    images[0].flatten()[0], images[1].flatten()[0] = 0, BINS - 1  # both ends of the range
    return images
