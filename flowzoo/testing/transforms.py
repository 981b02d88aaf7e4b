"""Checks of resolution transforms."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from flowzoo.run import Ledger, Mode, Run
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.testing.draws import Draws, draw_images, draw_noise
from flowzoo.testing.invertible import Invertible
from flowzoo.testing.permutation import require_moves
from flowzoo.testing.result import require
from flowzoo.testing.subject import FIRST_BATCH
from flowzoo.testing.trial import Trial
from flowzoo.transform import ResolutionTransform


@final
class Transform(Invertible):
    """A resolution transform on trial."""

    module: ResolutionTransform

    def output_shape(self) -> Shape:
        return self.module.output_shape(self.check.shape)

    def forward(self, x: Images, context: Images | None, draws: Draws) -> tuple[Images, PerImage]:
        y, log_det = self.module(x, draws.run())
        return y, log_det

    def inverse(self, y: Images, context: Images | None, draws: Draws) -> Images:
        return self.module.inverse(y, draws.run())

    def other_outputs(self, y: Images) -> Images:
        return draw_noise(y)

    @torch.no_grad()
    def first_pass(self, seed: int = 0) -> None:
        x = self.hand_over(draw_images(self.check.shape, FIRST_BATCH, seed + 100))
        self.module(x, Run(mode="initialise", ledger=Ledger()))

    def objectives(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        # What follows a transform weighs its outputs anyhow.
        y, log_det = self.forward(x, context, draws)
        return {"a function of its outputs": (y * draw_noise(y)).sum() + log_det.sum()}


@torch.no_grad()
def moves_values(kind: type[Transform], trial: Trial) -> None:
    """A transform that declares to permute moves every value to one place, the same for all images."""
    subject = kind.ready(trial)
    if subject.module.permutes:
        require_moves(lambda x: [subject.forward(x, None, Draws())[0]], trial.check.shape)


@torch.no_grad()
def draws_if_it_says_so(kind: type[Transform], trial: Trial) -> None:
    """``stochastic`` says whether something is drawn, and so does ``Component.exact``."""
    subject = kind.ready(trial)
    stated = subject.module.stochastic
    x = subject.images()
    modes: tuple[Mode, ...] = ("evaluate", "train")
    for mode in modes:
        y, log_det = subject.forward(x, None, Draws(mode=mode))
        other, other_log_det = subject.forward(x, None, Draws(mode=mode, seed=1))
        drawn = not (torch.equal(y, other) and torch.equal(log_det, other_log_det))
        says = f"its attribute stochastic is {stated}"
        require(
            drawn == stated, f"{'something' if drawn else 'nothing'} is drawn in mode '{mode}', and {says}"
        )
    require(
        stated != trial.component.exact,
        f"its attribute stochastic is {stated} and its component declares exact={trial.component.exact}",
    )
    require(stated or not subject.module.dequantises, "it says that it dequantises, and not that it draws")
