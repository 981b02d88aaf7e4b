"""Checks of split policies."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from flowzoo.shapes import Images
from flowzoo.split import SplitPolicy
from flowzoo.testing.draws import BATCH, Draws, draw_noise
from flowzoo.testing.result import require
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial


@final
class Split(Subject):
    """A split policy on trial, fitted to random scores."""

    module: SplitPolicy

    def first_pass(self, seed: int = 0) -> None:
        self.module.fit(draw_noise(self.images()[:1], seed + 100))

    def outputs(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        kept, factored = self.module.split(x)
        found = {"factored": factored, "merged": self.module.merge(kept, factored)}
        return found if kept is None else {"kept": kept, **found}

    def objectives(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        parts = self.outputs(x, context, draws)
        return {f"a function of '{name}'": (part * draw_noise(part)).sum() for name, part in parts.items()}


def has_stated_shapes(kind: type[Split], trial: Trial) -> None:
    """``kept`` and ``factored`` have the shapes that the policy states."""
    split = kind.ready(trial).module
    kept_shape, factored_shape = split.shapes(trial.check.shape)
    kept, factored = split.split(_numbered(trial))
    found = (None if kept is None else tuple(kept.shape[1:]), tuple(factored.shape[1:]))
    stated = (kept_shape, factored_shape)
    require(found == stated, f"kept and factored have shapes {found}, stated are {stated}")


def merges_what_it_split(kind: type[Split], trial: Trial) -> None:
    """``merge(split(y)) = y``, to the last bit."""
    split = kind.ready(trial).module
    y = _numbered(trial)
    require(torch.equal(split.merge(*split.split(y)), y), "merge(split(y)) is not y")


def permutes(kind: type[Split], trial: Trial) -> None:
    """Every value goes to one place, the same for all images, so that the log-determinant is 0."""
    split = kind.ready(trial).module
    y = _numbered(trial)
    parts = [part.flatten(1) for part in split.split(y) if part is not None]
    values = torch.cat(parts, dim=1)
    complete = torch.equal(values.sort(dim=1).values, y.flatten(1))
    require(complete, "the values of kept and factored are not those of y, each of them once")
    size = y[0].numel()
    require(torch.equal(values % size, (values % size)[:1].expand_as(values)), "images are split differently")


def _numbered(trial: Trial) -> Images:
    """Return images whose values are all different, and say where they stand."""
    shape = (BATCH, *trial.check.shape)
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)
