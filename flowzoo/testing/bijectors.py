"""Checks of conditional bijectors."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from flowzoo.bijector import ConditionalBijector
from flowzoo.run import Ledger, Run
from flowzoo.shapes import Images, PerImage, Shape
from flowzoo.testing.draws import Draws, draw_images, draw_noise
from flowzoo.testing.invertible import Invertible, likelihood
from flowzoo.testing.subject import FIRST_BATCH


@final
class Bijector(Invertible):
    """A conditional bijector on trial."""

    module: ConditionalBijector

    def output_shape(self) -> Shape:
        return self.check.shape

    def forward(self, x: Images, context: Images | None, draws: Draws) -> tuple[Images, PerImage]:
        return self.module(x, context, draws.run())

    def inverse(self, y: Images, context: Images | None, draws: Draws) -> Images:
        return self.module.inverse(y, context, draws.run())

    def other_outputs(self, y: Images) -> Images:
        return draw_noise(y)

    @torch.no_grad()
    def first_pass(self, seed: int = 0) -> None:
        for batch in range(2):
            ledger = Ledger()
            place = seed + 100 + batch
            x = draw_images(self.check.shape, FIRST_BATCH, place)
            shape = self.check.context_shape
            context = None if shape is None else draw_images(shape, FIRST_BATCH, place + 1000)
            self.module(x, context, Run(mode="initialise", ledger=ledger))
            if not ledger.wants_more:
                return

    def objectives(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        run, ledger = draws.run().collecting()
        loss = self.module.loss(x, context, run) + sum(ledger.penalties.values())
        found = {"the loss": loss.sum()}
        if self.module.loss_is_likelihood:
            found["the log-likelihood"] = likelihood(self, x, context)
        return found
