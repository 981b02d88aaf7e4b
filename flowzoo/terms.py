"""The terms that ``log p(x)`` is the sum of."""

from __future__ import annotations

from typing import NamedTuple

import torch

from flowzoo.level import LevelTerms
from flowzoo.shapes import PerImage


class FlowTerms(NamedTuple):
    """The terms of ``log p(x)``: ``(B,)`` each, nats.

    Attributes:
        pixels: The pixel transform's ``log_det``.
        levels: One :class:`~flowzoo.level.LevelTerms` a level, finest first.
    """

    pixels: PerImage
    levels: tuple[LevelTerms, ...]

    def total(self) -> PerImage:
        """Return ``log p(x)``."""
        terms = [self.pixels, *(sum_terms(level) for level in self.levels)]
        widest = max((term.dtype for term in terms), key=lambda dtype: dtype.itemsize)
        return torch.stack([term.to(widest) for term in terms]).sum(0)


def sum_terms(terms: LevelTerms) -> PerImage:
    """Return what one level adds to ``log p(x)``, ``(B,)``, nats."""
    return terms.transform + terms.joint + terms.conditional
