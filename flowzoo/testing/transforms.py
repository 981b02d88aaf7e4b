"""Checks of resolution transforms."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from flowzoo.call import Call, Ledger, Mode
from flowzoo.exactness import Exactness
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.testing.draws import Draws, draw_images, draw_noise
from flowzoo.testing.invertible import Invertible
from flowzoo.testing.permutation import require_moves
from flowzoo.testing.result import require
from flowzoo.testing.subject import FIRST_BATCH
from flowzoo.testing.trial import Trial
from flowzoo.testing.variants import takes
from flowzoo.transform import ResolutionTransform

_SMALL = ((1, 2, 2), (1, 2, 4), (1, 4, 4), (2, 4, 4))
"""Shapes on which the distribution of draws is tested; the smallest that the transform accepts is used."""

_DRAWS = 16384
_FEW = 4
_STANDARD_ERRORS = 6.0
_WIDEST = 0.25
"""Largest relative error of the average. The density is nearly constant over the box, so it is small."""


@final
class Transform(Invertible):
    """A resolution transform on trial."""

    module: ResolutionTransform

    def output_shape(self) -> Shape:
        return self.module.output_shape(self.check.shape)

    def forward(self, x: Images, context: Images | None, draws: Draws) -> tuple[Images, PerImage]:
        y, log_det = self.module(x, draws.call())
        return y, log_det

    def inverse(self, y: Images, context: Images | None, draws: Draws) -> Images:
        return self.module.inverse(y, draws.call())

    @property
    def exactness(self) -> Exactness:
        return self.module.traits.exactness

    def other_outputs(self, y: Images) -> Images:
        return draw_noise(y)

    @torch.no_grad()
    def first_pass(self, seed: int = 0) -> None:
        x = self.hand_over(draw_images(self.check.shape, FIRST_BATCH, seed + 100))
        self.module(x, Call(mode="initialise", ledger=Ledger()))

    def objectives(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        # What follows a transform weights its outputs in any way.
        y, log_det = self.forward(x, context, draws)
        return {"a function of its outputs": (y * draw_noise(y)).sum() + log_det.sum()}


@torch.no_grad()
def moves_values(kind: type[Transform], trial: Trial) -> None:
    """A transform that declares ``permutes`` moves every value to one place, the same in all images."""
    subject = kind.ready(trial)
    if subject.module.traits.permutes:
        require_moves(lambda x: [subject.forward(x, None, Draws())[0]], trial.check.shape)


@torch.no_grad()
def draws_from_a_density(kind: type[Transform], trial: Trial) -> None:
    """``exp(-log_det)`` is the density of the draws: the mean of its inverse over a box is the box's size.

    That is ``E[1_box(c) / q(c)] = |box|``, for a box around the middle half of the draws. It is tried on the
    smallest image that the transform takes, where few values are drawn.
    """
    for shape in _SMALL:
        small = trial.with_check(shape=shape)
        if takes(kind, small):
            break
    subject = kind.ready(small)
    x = subject.images()[:1].repeat(_DRAWS, 1, 1, 1)
    y, log_det = subject.module(x, Call(generator=torch.Generator().manual_seed(trial.mixed(0))))
    values = y.flatten(1)
    drawn = values[:, (values != values[:1]).any(0)]
    if drawn.shape[1] > _FEW or drawn.shape[1] != values.shape[1] - x[0].numel():
        return  # the draws have too many values for a box, or are mixed with the image
    low, high = torch.quantile(drawn, torch.tensor([0.25, 0.75], dtype=drawn.dtype), dim=0)
    inside = ((drawn > low) & (drawn < high)).all(1)
    weights = torch.where(inside, log_det.exp(), 0.0) / (high - low).prod()
    allowed = min(_STANDARD_ERRORS * float(weights.std()) / _DRAWS**0.5, _WIDEST)
    require(
        bool((weights.mean() - 1.0).abs() <= allowed),
        f"log_det is not -log q of what is drawn: E[1/q] over a box is {weights.mean():.3g} of its size, "
        f"expected 1 within {allowed:.2g}",
    )


@torch.no_grad()
def draws_if_it_says_so(kind: type[Transform], trial: Trial) -> None:
    """``traits.stochastic`` is true exactly if something is drawn; ``exactness`` agrees with it."""
    subject = kind.ready(trial)
    stated = subject.module.traits.stochastic
    x = subject.images()
    modes: tuple[Mode, ...] = ("evaluate", "train")
    for mode in modes:
        y, log_det = subject.forward(x, None, Draws(mode=mode))
        other, other_log_det = subject.forward(x, None, Draws(mode=mode, seed=1))
        drawn = not (torch.equal(y, other) and torch.equal(log_det, other_log_det))
        says = f"its traits.stochastic is {stated}"
        require(
            drawn == stated, f"{'something' if drawn else 'nothing'} is drawn in mode '{mode}', but {says}"
        )
    require(
        stated != trial.component.exact,
        f"its traits.stochastic is {stated}, but its component declares exact={trial.component.exact}",
    )
    bounded = subject.exactness >= Exactness.BOUND
    require(
        bounded == stated, f"its traits.stochastic is {stated}, but its exactness is '{subject.exactness}'"
    )
    if subject.module.traits.dequantises:
        require(stated, "its traits.dequantises is True, but traits.stochastic is False")
        _, log_det = subject.forward(x, None, Draws())
        require(
            torch.equal(log_det, log_det[:1].expand_as(log_det)),
            "its traits.dequantises is True, but its draw is not uniform",
        )
