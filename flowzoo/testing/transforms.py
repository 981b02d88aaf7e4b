"""Checks of resolution transforms."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from flowzoo.run import Ledger, Run
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.testing.draws import Draws, draw_images, draw_noise
from flowzoo.testing.invertible import Invertible
from flowzoo.testing.permutation import numbered, require_permutation
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
        self.module(
            draw_images(self.check.shape, FIRST_BATCH, seed + 100), Run(mode="initialise", ledger=Ledger())
        )

    def objectives(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        # What follows a transform weighs its outputs anyhow.
        y, log_det = self.forward(x, context, draws)
        return {"a function of its outputs": (y * draw_noise(y)).sum() + log_det.sum()}


@torch.no_grad()
def moves_values(kind: type[Transform], trial: Trial) -> None:
    """A transform that declares to permute moves every value to one place, the same for all images."""
    subject = kind.ready(trial)
    if subject.module.permutes:
        y, _ = subject.forward(numbered(trial.check.shape), None, Draws())
        require_permutation([y], trial.check.shape)
