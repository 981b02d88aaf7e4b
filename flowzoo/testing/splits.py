"""Checks of split policies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from flowzoo.errors import NotInitialisedError
from flowzoo.shapes import Images
from flowzoo.split import SplitPolicy
from flowzoo.testing.draws import Draws, draw_noise
from flowzoo.testing.permutation import numbered, require_moves, require_permutation
from flowzoo.testing.result import require
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial


@final
class Split(Subject):
    """A split policy on trial, fitted to random scores."""

    module: SplitPolicy

    def stated_shapes(self) -> object:
        return self.module.shapes(self.check.shape)

    def first_pass(self, seed: int = 0) -> None:
        self.module.fit(self.hand_over(draw_noise(self.images()[:1], seed + 100)))

    def outputs(self, x: Images, context: Images | None, draws: Draws) -> dict[str, Tensor]:
        kept, factored = self.module.split(x)
        given = None if kept is None else self.hand_over(kept)
        found = {"factored": factored, "merged": self.module.merge(given, self.hand_over(factored))}
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
    """Every value goes to one place, the same in all images, so the log-determinant is 0."""
    split = kind.ready(trial).module

    def move(y: Images) -> Sequence[Images]:
        return [part for part in split.split(y) if part is not None]

    require_moves(move, trial.check.shape)


def is_fitted_first(kind: type[Split], trial: Trial) -> None:
    """A policy that ``fit`` decides refuses use before ``fit``, and ``unscored()`` returns a replacement."""
    subject = kind(trial.build(), trial)
    x = subject.images()
    before, unfitted = subject.state(), _outputs_unless_refused(subject, x)
    subject.first_pass()
    changed = [name for name, value in subject.state().items() if not torch.equal(value, before[name])]
    fitted = subject.evaluate(x, None, Draws())
    if unfitted is None or changed or any(not torch.equal(unfitted[name], fitted[name]) for name in fitted):
        require(unfitted is None, "fit decides the split, but it can be used before")
        require(
            subject.module.unscored() is not None,
            "fit decides the split, but unscored() returns None; return a split that keeps everything",
        )


def keeps_all_while_unscored(kind: type[Split], trial: Trial) -> None:
    """The replacement of a policy while scores are gathered keeps everything, at the same resolution."""
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


def _outputs_unless_refused(subject: Split, x: Images) -> dict[str, Tensor] | None:
    try:
        return subject.evaluate(x, None, Draws())
    except NotInitialisedError:
        return None
