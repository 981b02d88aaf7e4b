"""Checks of split policies."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from flowzoo.shapes import Images
from flowzoo.split import SplitPolicy
from flowzoo.testing.draws import Draws, draw_noise
from flowzoo.testing.permutation import numbered, require_permutation
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
    kept, factored = split.split(numbered(trial.check.shape))
    found = (None if kept is None else tuple(kept.shape[1:]), tuple(factored.shape[1:]))
    stated = (kept_shape, factored_shape)
    require(found == stated, f"kept and factored have shapes {found}, stated are {stated}")


def merges_what_it_split(kind: type[Split], trial: Trial) -> None:
    """``merge(split(y)) = y``, to the last bit."""
    split = kind.ready(trial).module
    y = numbered(trial.check.shape)
    require(torch.equal(split.merge(*split.split(y)), y), "merge(split(y)) is not y")


def permutes(kind: type[Split], trial: Trial) -> None:
    """Every value goes to one place, the same for all images, so that the log-determinant is 0."""
    split = kind.ready(trial).module
    parts = split.split(numbered(trial.check.shape))
    require_permutation([part for part in parts if part is not None], trial.check.shape)


def keeps_all_while_unscored(kind: type[Split], trial: Trial) -> None:
    """What stands in for a policy while scores are gathered keeps everything, at the same resolution."""
    split = kind.ready(trial).module
    stand_in = split.unscored()
    if stand_in is None:
        return
    kept, factored = stand_in.shapes(trial.check.shape)
    own, _ = split.shapes(trial.check.shape)
    require(kept is not None and factored[0] == 0, f"it factors out {factored}, expected no channels")
    require(
        own is not None and kept is not None and own[1:] == kept[1:], f"it keeps {kept}, the policy {own}"
    )
    y = numbered(trial.check.shape)
    everything, nothing = stand_in.split(y)
    assert everything is not None
    require_permutation([everything], trial.check.shape)
    require(torch.equal(stand_in.merge(everything, nothing), y), "its merge(split(y)) is not y")
