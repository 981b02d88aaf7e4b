"""Splits that order the pixels of each 2x2 block by what they contribute to the likelihood."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from flowzoo.api import EVALUATION, Builder, Call, FirstPass, Images, Shape, SplitPolicy, Squeeze
from flowzoo_lcma.squeeze_all import SqueezeAll


@final
class ByContribution(SplitPolicy):
    """Keeps two pixels of each 2x2 block of each channel and factors out the other two.

    A pixel's score ``L`` is its mean contribution to the log-determinant of all layers before the split. The
    four pixels of a block are ranked by it, ties in raster order; the first two ranks go on. ``(C, H, W)`` to
    ``kept`` and ``factored`` of ``(2C, H/2, W/2)`` each, channel ``rank * C + c``.

    The ranks are decided once, by :meth:`fit`, and saved, with the scores, in the buffers ``order`` and
    ``scores``.

    Args:
        shape: ``(C, H, W)``.
        keep_highest: Whether the highest scores go on, or the lowest.

    Raises:
        ShapeError: Height or width is odd.
        NotInitialisedError: On use before :meth:`fit`.

    References:
        Das et al., "Likelihood Contribution based Multi-scale Architecture for Generative Flows", 2019,
        section 3. Its max- and min-pooling of a block would keep one pixel each; two and two is the
        interpretation that fits the shapes it states.
    """

    order: Tensor
    scores: Tensor

    def __init__(self, shape: Shape, keep_highest: bool = True) -> None:
        super().__init__()
        self.squeeze = Squeeze()
        self.keep_highest = keep_highest
        channels, height, width = self.squeeze.output_shape(shape)
        places = torch.arange(4).reshape(4, 1, 1, 1).repeat(1, channels // 4, height, width)
        self.register_buffer("order", places)
        self.register_buffer("scores", torch.zeros(shape))
        self.first_pass = FirstPass(
            "a split by likelihood contribution", "train the model, which scores pixels first, or call fit"
        )

    def split(self, y: Images, call: Call = EVALUATION) -> tuple[Images, Images]:
        self.first_pass.require()
        ranked = self._rearrange(self.squeeze(y)[0], self.order)
        kept, factored = ranked.chunk(2, dim=1)
        return kept, factored

    def merge(self, kept: Images | None, factored: Images, call: Call = EVALUATION) -> Images:
        assert kept is not None, "this policy keeps half"
        self.first_pass.require()
        ranked = torch.cat([kept, factored], dim=1)
        return self.squeeze.inverse(self._rearrange(ranked, self.order.argsort(dim=0)))

    def shapes(self, shape: Shape) -> tuple[Shape, Shape]:
        channels, height, width = self.squeeze.output_shape(shape)
        half = (channels // 2, height, width)
        return half, half

    def unscored(self) -> SplitPolicy:
        return SqueezeAll()

    @torch.no_grad()
    def fit(self, scores: Images) -> None:
        """Rank the pixels by their scores, ``(1, C, H, W)``."""
        blocks = self.squeeze(scores)[0].reshape(self.order.shape)
        self.order.copy_(blocks.argsort(dim=0, descending=self.keep_highest, stable=True))
        self.scores.copy_(scores[0])
        self.first_pass.finish()

    def fitted_scores(self) -> Images | None:
        return self.scores[None] if self.first_pass.done else None

    @staticmethod
    def _rearrange(squeezed: Images, order: Tensor) -> Images:
        """Move each block's pixels, which lie in quarters of the channels, to the places in ``order``."""
        blocks = squeezed.reshape(-1, *order.shape)
        return blocks.gather(1, order.expand(blocks.shape)).flatten(1, 2)


def build_lcma(shape: Shape, builder: Builder) -> ByContribution:
    """Build :class:`ByContribution`."""
    return ByContribution(shape)


def build_lcma_high(shape: Shape, builder: Builder) -> ByContribution:
    """Build :class:`ByContribution` that factors out the pixels that contribute most."""
    return ByContribution(shape, keep_highest=False)
