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
from flowzoo.testing.result import require, require_close
from flowzoo.testing.subject import FIRST_BATCH
from flowzoo.testing.trial import Trial


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

    def shared(self, x: Images, shares: Images, context: Images | None) -> tuple[Images, Images]:
        """Return ``z`` and the shares after the bijector."""
        return self.module.forward_with_shares(x, shares, context, Draws(exact=True).run())

    def objectives(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        run, ledger = draws.run().collecting()
        loss = self.module.loss(x, context, run) + sum(ledger.penalties.values())
        found = {"the loss": loss.sum()}
        if self.module.loss_is_likelihood:
            found["the log-likelihood"] = likelihood(self, x, context)
        return found


@torch.no_grad()
def shares_its_log_det(kind: type[Bijector], trial: Trial) -> None:
    """Where dimensions' shares of ``log_det`` can be told, they sum to it, and earlier shares are kept."""
    subject = kind.ready(trial)
    if not subject.module.has_shares:
        return
    x, context = subject.images(), subject.context()
    z, log_det = subject.forward(x, context, Draws(exact=True))
    before = draw_noise(x)
    same, shares = subject.shared(x, before, context)
    require_close(same, z, trial.check.tolerance, "z beside the shares")
    require(shares.shape == z.shape, f"shares have shape {tuple(shares.shape)}, expected {tuple(z.shape)}")
    grown = (shares.flatten(1).sum(1) - before.flatten(1).sum(1)).to(log_det.dtype)
    require_close(grown, log_det, trial.check.tolerance, "the growth of the shares' sum, against log_det")
